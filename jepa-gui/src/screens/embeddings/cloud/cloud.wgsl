// Points as instanced quads with a round, softened edge.

struct View {
    // Right, up, and towards the viewer; the fourth numbers are the middle of the plot.
    right: vec4<f32>,
    up: vec4<f32>,
    near: vec4<f32>,
    // Map units to half the plot's width and height, perspective, 1 / reach.
    clip: vec4<f32>,
    // Radius in pixels, half the plot's width and height in pixels, 1 where the target wants linear colours.
    pixels: vec4<f32>,
};

@group(0) @binding(0) var<uniform> view: View;

struct Point {
    @location(0) place: vec3<f32>,
    @location(1) colour: vec4<f32>,
    @location(2) size: f32,
};

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) colour: vec4<f32>,
    // Pixels from the middle of the point.
    @location(1) away: vec2<f32>,
    @location(2) @interpolate(flat) radius: f32,
};

@vertex
fn vertex(@builtin(vertex_index) index: u32, point: Point) -> Corner {
    let away = (point.place - vec3<f32>(view.right.w, view.up.w, view.near.w)) * view.clip.w;
    let near = dot(away, view.near.xyz);
    let grown = 1.0 / (1.0 - view.clip.z * clamp(near, -2.0, 2.0));
    let middle = vec2<f32>(dot(away, view.right.xyz), dot(away, view.up.xyz)) * grown * view.clip.xy;
    let radius = view.pixels.x * point.size * grown;
    // One pixel more than the radius holds the softened edge.
    let corner = vec2<f32>(f32(index & 1u), f32(index >> 1u)) * 2.0 - 1.0;
    let offset = corner * (radius + 1.0);
    var out: Corner;
    out.position = vec4<f32>(middle + offset / view.pixels.yz, 0.0, 1.0);
    out.colour = point.colour;
    out.away = offset;
    out.radius = radius;
    return out;
}

fn linear(colour: vec3<f32>) -> vec3<f32> {
    let low = colour / 12.92;
    let high = pow((colour + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, colour <= vec3<f32>(0.04045));
}

@fragment
fn fragment(in: Corner) -> @location(0) vec4<f32> {
    let opacity = in.colour.a * clamp(in.radius + 0.5 - length(in.away), 0.0, 1.0);
    var colour = in.colour.rgb;
    if (view.pixels.w > 0.5) {
        colour = linear(colour);
    }
    return vec4<f32>(colour * opacity, opacity);
}
