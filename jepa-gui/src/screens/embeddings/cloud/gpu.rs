//! Points as instanced quads in egui's own render pass: one draw call a plot.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor, wgpu};
use egui::{Context, Id, PaintCallbackInfo, Rect, Shape};

use super::super::camera::Projector;
use super::Instance;

/// Makes the pipeline for a window that draws with wgpu; without this call points are drawn as a mesh.
pub fn install(state: &RenderState, context: &Context) {
    let resources = Resources::new(&state.device, state.target_format);
    state.renderer.write().callback_resources.insert(resources);
    context.data_mut(|data| data.insert_temp(mark(), ()));
}

pub(super) fn is_installed(context: &Context) -> bool {
    context.data(|data| data.get_temp::<()>(mark()).is_some())
}

fn mark() -> Id {
    Id::unique("points are drawn by the graphics device")
}

/// One plot's points in one frame.
pub(super) struct Drawing {
    id: Id,
    instances: Arc<Vec<Instance>>,
    version: u64,
    projector: Projector,
    radius: f32,
}

impl Drawing {
    pub(super) fn new(id: Id, instances: Arc<Vec<Instance>>, version: u64, projector: Projector, radius: f32) -> Self {
        Self { id, instances, version, projector, radius }
    }

    pub(super) fn into_shape(self, rect: Rect) -> Shape {
        egui_wgpu::Callback::new_paint_callback(rect, self).into()
    }

    /// The uniform block of `cloud.wgsl`.
    fn view(&self, pixels_per_point: f32, wants_linear: bool) -> [f32; 20] {
        let Projector { centre, axes: [right, up, near], reach, perspective, rect } = self.projector;
        let [clip_x, clip_y] = self.projector.clip();
        let half = rect.size() * (pixels_per_point / 2.0);
        let row = |axis: [f32; 3], last: f32| [axis[0], axis[1], axis[2], last];
        let rows = [
            row(right, centre[0]),
            row(up, centre[1]),
            row(near, centre[2]),
            [clip_x, clip_y, perspective, 1.0 / reach],
            [self.radius * pixels_per_point, half.x.max(1.0), half.y.max(1.0), f32::from(u8::from(wants_linear))],
        ];
        std::array::from_fn(|i| rows[i / 4][i % 4])
    }
}

impl CallbackTrait for Drawing {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(resources) = resources.get_mut::<Resources>() {
            let view = self.view(screen.pixels_per_point, resources.wants_linear);
            let plot = resources.plot(device, self.id, self.instances.len());
            queue.write_buffer(&plot.view, 0, bytemuck::cast_slice(&view));
            if plot.version != Some(self.version) {
                queue.write_buffer(&plot.points, 0, bytemuck::cast_slice(&self.instances));
                plot.version = Some(self.version);
            }
        }
        Vec::new()
    }

    fn paint(&self, _: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        let Some(resources) = resources.get::<Resources>() else { return };
        let Some(plot) = resources.plots.get(&self.id) else { return };
        pass.set_pipeline(&resources.pipeline);
        pass.set_bind_group(0, &plot.bind_group, &[]);
        pass.set_vertex_buffer(0, plot.points.slice(..));
        pass.draw(0..4, 0..self.instances.len() as u32);
    }
}

/// What lies on the device.
struct Resources {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    /// Whether the target turns linear colours into sRGB by itself.
    wants_linear: bool,
    plots: HashMap<Id, Plot>,
}

/// The buffers of one plot.
struct Plot {
    points: wgpu::Buffer,
    view: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    /// Which points are there.
    version: Option<u64>,
}

const STRIDE: u64 = std::mem::size_of::<Instance>() as u64;
const VIEW: u64 = 20 * std::mem::size_of::<f32>() as u64;

impl Resources {
    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let label = Some("point cloud");
        let shader = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(include_str!("cloud.wgsl").into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label,
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &shader,
                entry_point: Some("vertex"),
                buffers: &[Some(wgpu::VertexBufferLayout {
                    array_stride: STRIDE,
                    step_mode: wgpu::VertexStepMode::Instance,
                    attributes: &wgpu::vertex_attr_array![0 => Float32x3, 1 => Unorm8x4, 2 => Float32],
                })],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            },
            fragment: Some(wgpu::FragmentState {
                module: &shader,
                entry_point: Some("fragment"),
                targets: &[Some(wgpu::ColorTargetState {
                    format: target,
                    blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            }),
            primitive: wgpu::PrimitiveState {
                topology: wgpu::PrimitiveTopology::TriangleStrip,
                ..wgpu::PrimitiveState::default()
            },
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            multiview_mask: None,
            cache: None,
        });
        Self { pipeline, layout, wants_linear: target.is_srgb(), plots: HashMap::new() }
    }

    /// The buffers of a plot, with room for `count` points.
    fn plot(&mut self, device: &wgpu::Device, id: Id, count: usize) -> &mut Plot {
        let Self { layout, plots, .. } = self;
        let needed = count as u64 * STRIDE;
        let plot = plots.entry(id).or_insert_with(|| Plot::new(device, layout, needed));
        if plot.points.size() < needed {
            *plot = Plot::new(device, layout, needed);
        }
        plot
    }
}

impl Plot {
    fn new(device: &wgpu::Device, layout: &wgpu::BindGroupLayout, size: u64) -> Self {
        let buffer = |size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("point cloud"),
                size,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let view = buffer(VIEW, wgpu::BufferUsages::UNIFORM);
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("point cloud"),
            layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: view.as_entire_binding() }],
        });
        let points = buffer(size.max(1024 * STRIDE), wgpu::BufferUsages::VERTEX);
        Self { points, view, bind_group, version: None }
    }
}
