//! VRML 2 (VRML97), as far as surfaces go: KiCad's models are written in it.
//!
//! Read are `IndexedFaceSet` below `Shape`, the grouping nodes with all of `Transform`, `DEF` and `USE`; any other node
//! is skipped with its content. Not read are `PROTO`, `Inline` and surfaces of other kinds.

use std::collections::HashMap;

use super::super::mesh::{Mesh, fan};
use super::{Shape, text};

/// Deepest nesting of nodes, through `USE` too.
const MAX_DEPTH: usize = 64;
/// Most nodes visited, corners and triangles built: `USE` lets a small file name one shape often.
const MAX_VISITS: usize = 1 << 20;
const MAX_CORNERS: usize = 1 << 22;

/// Reads a file as one mesh.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let bytes = text::of(bytes)?;
    if !bytes.starts_with(b"#VRML V2.0 utf8") {
        let line = text::lines(bytes).next().map(|(_, line)| line).unwrap_or_default();
        return Err(format!("starts with {}, expected `#VRML V2.0 utf8`", text::shown(line)));
    }
    let mut parser = Parser { all: bytes, rest: bytes, nodes: Vec::new(), names: HashMap::new() };
    let mut roots = Vec::new();
    while let Some(token) = parser.token() {
        if !parser.statement(&token)? {
            roots.push(parser.node(token, 0)?);
        }
    }
    let mut scene = Scene { nodes: &parser.nodes, ..Scene::default() };
    for root in roots {
        scene.visit(root, &Placement::HERE, 0)?;
    }
    if scene.triangles.is_empty() {
        let others = if scene.others.is_empty() { "none".to_owned() } else { scene.others.join(", ") };
        return Err(format!("has no IndexedFaceSet with faces; other surfaces, which are not read: {others}"));
    }
    Ok(Shape::Surface(Mesh::checked(scene.corners, scene.triangles)?))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'a> {
    Open(u8),
    Close(u8),
    Text,
    Word(&'a [u8]),
}

#[derive(Debug)]
struct Node<'a> {
    kind: &'a [u8],
    fields: Vec<(&'a [u8], Value)>,
}

#[derive(Debug)]
enum Value {
    Numbers(Vec<f64>),
    /// Places in the list of nodes: no ownership, so that a long chain of `USE` is not dropped by recursion.
    Nodes(Vec<usize>),
    Other,
}

impl Node<'_> {
    fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    fn numbers(&self, name: &str) -> &[f64] {
        if let Some(Value::Numbers(numbers)) = self.field(name) { numbers } else { &[] }
    }

    fn children(&self, name: &str) -> &[usize] {
        if let Some(Value::Nodes(nodes)) = self.field(name) { nodes } else { &[] }
    }

    /// Numbers of a field, or the standard's default.
    fn fixed<const N: usize>(&self, name: &str, default: [f64; N]) -> [f64; N] {
        self.numbers(name).try_into().unwrap_or(default)
    }
}

struct Parser<'a> {
    all: &'a [u8],
    rest: &'a [u8],
    nodes: Vec<Node<'a>>,
    names: HashMap<&'a [u8], usize>,
}

impl<'a> Parser<'a> {
    /// The next token; commas and comments count as white space.
    fn token(&mut self) -> Option<Token<'a>> {
        let blank = |b: &u8| b.is_ascii_whitespace() || *b == b',';
        loop {
            let start = self.rest.iter().position(|b| !blank(b))?;
            self.rest = &self.rest[start..];
            if self.rest[0] != b'#' {
                break;
            }
            let end = self.rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
        let (token, length) = match self.rest[0] {
            open @ (b'[' | b'{') => (Token::Open(open), 1),
            close @ (b']' | b'}') => (Token::Close(close), 1),
            b'"' => {
                let mut end = 1;
                while end < self.rest.len() && self.rest[end] != b'"' {
                    end += if self.rest[end] == b'\\' { 2 } else { 1 };
                }
                (Token::Text, (end + 1).min(self.rest.len()))
            }
            _ => {
                let stop = |b: &u8| blank(b) || matches!(b, b'[' | b']' | b'{' | b'}' | b'"' | b'#');
                let end = self.rest.iter().position(stop).unwrap_or(self.rest.len());
                (Token::Word(&self.rest[..end]), end)
            }
        };
        self.rest = &self.rest[length..];
        Some(token)
    }

    fn peek(&mut self) -> Option<Token<'a>> {
        let rest = self.rest;
        let token = self.token();
        self.rest = rest;
        token
    }

    fn next(&mut self) -> Result<Token<'a>, String> {
        self.token().ok_or_else(|| "ends in the middle of a node: cut off".to_owned())
    }

    /// An error about what was just read.
    fn wrong<T>(&self, token: &Token, expected: &str) -> Result<T, String> {
        let read = &self.all[..self.all.len() - self.rest.len()];
        let line = 1 + read.iter().filter(|b| **b == b'\n').count();
        let found = match token {
            Token::Open(sign) | Token::Close(sign) => format!("`{}`", char::from(*sign)),
            Token::Text => "a text".into(),
            Token::Word(word) => text::shown(word),
        };
        Err(format!("line {line}: found {found}, expected {expected}"))
    }

    /// Skips what is neither node nor field.
    fn statement(&mut self, token: &Token<'a>) -> Result<bool, String> {
        match token {
            Token::Word(b"ROUTE") => {
                for _ in 0..3 {
                    self.next()?;
                }
                Ok(true)
            }
            Token::Word(b"PROTO" | b"EXTERNPROTO") => self.wrong(token, "nodes only: prototypes are not read"),
            _ => Ok(false),
        }
    }

    /// The node that begins with `token`, as its place in the list.
    fn node(&mut self, token: Token<'a>, depth: usize) -> Result<usize, String> {
        let name = match token {
            Token::Word(word @ (b"DEF" | b"USE")) => {
                let name = self.next()?;
                let Token::Word(name) = name else { return self.wrong(&name, "a name") };
                if word == b"USE" {
                    let known = self.names.get(name).copied();
                    return known.map_or_else(|| self.wrong(&Token::Word(name), "a name given by DEF before"), Ok);
                }
                Some(name)
            }
            _ => None,
        };
        let kind = if name.is_some() { self.next()? } else { token };
        let Token::Word(kind) = kind else { return self.wrong(&kind, "a node") };
        let open = self.next()?;
        if open != Token::Open(b'{') {
            return self.wrong(&Token::Word(kind), "a node with its fields in `{ }`");
        }
        if depth >= MAX_DEPTH {
            return Err(format!("nests nodes more than {MAX_DEPTH} deep"));
        }
        let mut fields = Vec::new();
        loop {
            let token = self.next()?;
            match token {
                Token::Close(b'}') => break,
                Token::Word(name) => {
                    if !self.statement(&token)? {
                        fields.push((name, self.value(depth + 1)?));
                    }
                }
                _ => return self.wrong(&token, "a field or `}`"),
            }
        }
        self.nodes.push(Node { kind, fields });
        let place = self.nodes.len() - 1;
        if let Some(name) = name {
            self.names.insert(name, place);
        }
        Ok(place)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        let token = self.next()?;
        match token {
            Token::Open(b'[') => self.list(depth),
            Token::Text => {
                while self.peek() == Some(Token::Text) {
                    self.token();
                }
                Ok(Value::Other)
            }
            Token::Word(word) => {
                if let Some(number) = self.number(word)? {
                    let mut numbers = vec![number];
                    while let Some(Token::Word(word)) = self.peek()
                        && let Some(number) = self.number(word)?
                    {
                        self.token();
                        numbers.push(number);
                    }
                    return Ok(Value::Numbers(numbers));
                }
                match word {
                    b"DEF" | b"USE" => Ok(Value::Nodes(vec![self.node(token, depth)?])),
                    _ if self.peek() == Some(Token::Open(b'{')) => Ok(Value::Nodes(vec![self.node(token, depth)?])),
                    _ => Ok(Value::Other),
                }
            }
            _ => self.wrong(&token, "a value"),
        }
    }

    /// What stands between `[` and `]`.
    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let (mut numbers, mut nodes) = (Vec::new(), Vec::new());
        loop {
            let token = self.next()?;
            match token {
                Token::Close(b']') => break,
                Token::Text | Token::Word(b"TRUE" | b"FALSE") => {}
                Token::Word(word) => match self.number(word)? {
                    Some(number) => numbers.push(number),
                    None => nodes.push(self.node(token, depth)?),
                },
                _ => return self.wrong(&token, "numbers, nodes or `]`"),
            }
        }
        Ok(if nodes.is_empty() { Value::Numbers(numbers) } else { Value::Nodes(nodes) })
    }

    /// The number that a word is; `None` for a word that does not begin like one.
    fn number(&self, word: &[u8]) -> Result<Option<f64>, String> {
        if !matches!(word, [b'0'..=b'9' | b'+' | b'-' | b'.', ..]) {
            return Ok(None);
        }
        let parsed = std::str::from_utf8(word).ok().and_then(|word| word.parse::<f64>().ok());
        match parsed.filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => self.wrong(&Token::Word(word), "a finite number"),
        }
    }
}

/// A linear map and what is added after it.
#[derive(Debug, Clone)]
struct Placement {
    rows: [[f64; 3]; 3],
    offset: [f64; 3],
}

impl Placement {
    const HERE: Self = Self { rows: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], offset: [0.0; 3] };

    /// What a `Transform` says: moved to its centre, turned and scaled there, moved back and on.
    fn of(node: &Node) -> Self {
        let turn = rotation(node.fixed("rotation", [0.0, 0.0, 1.0, 0.0]));
        let [x, y, z, angle] = node.fixed("scaleOrientation", [0.0, 0.0, 1.0, 0.0]);
        let scale = node.fixed("scale", [1.0; 3]);
        let stretch = [[scale[0], 0.0, 0.0], [0.0, scale[1], 0.0], [0.0, 0.0, scale[2]]];
        let axes = rotation([x, y, z, angle]);
        let back = rotation([x, y, z, -angle]);
        let rows = product(&product(&product(&turn, &axes), &stretch), &back);
        let (centre, translation) = (node.fixed("center", [0.0; 3]), node.fixed("translation", [0.0; 3]));
        let moved = apply(&rows, centre);
        Self { rows, offset: std::array::from_fn(|i| translation[i] + centre[i] - moved[i]) }
    }

    /// First `inner`, then this.
    fn after(&self, inner: &Self) -> Self {
        Self { rows: product(&self.rows, &inner.rows), offset: self.place(inner.offset) }
    }

    fn place(&self, point: [f64; 3]) -> [f64; 3] {
        let turned = apply(&self.rows, point);
        std::array::from_fn(|i| turned[i] + self.offset[i])
    }
}

fn apply(rows: &[[f64; 3]; 3], point: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| (0..3).map(|k| rows[i][k] * point[k]).sum())
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// The turn about an axis, by Rodrigues' formula; none about an axis of no length.
fn rotation([x, y, z, angle]: [f64; 4]) -> [[f64; 3]; 3] {
    let length = (x * x + y * y + z * z).sqrt();
    if length.is_nan() || length == 0.0 || length.is_infinite() {
        return Placement::HERE.rows;
    }
    let [x, y, z] = [x / length, y / length, z / length];
    let (s, c) = angle.sin_cos();
    let t = 1.0 - c;
    [
        [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
        [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
        [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
    ]
}

#[derive(Default)]
struct Scene<'a> {
    nodes: &'a [Node<'a>],
    corners: Vec<[f32; 3]>,
    triangles: Vec<[u32; 3]>,
    others: Vec<String>,
    visits: usize,
}

impl Scene<'_> {
    fn visit(&mut self, place: usize, placement: &Placement, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            return Err(format!("nests nodes more than {MAX_DEPTH} deep or names more than {MAX_VISITS}"));
        }
        let nodes = self.nodes;
        let Some(node) = nodes.get(place) else { return Ok(()) };
        let mut all = |children: &[usize], placement: &Placement| {
            children.iter().try_for_each(|&child| self.visit(child, placement, depth + 1))
        };
        match node.kind {
            b"Transform" => all(node.children("children"), &placement.after(&Placement::of(node))),
            b"Group" | b"Anchor" | b"Billboard" | b"Collision" => all(node.children("children"), placement),
            b"LOD" => all(node.children("level").get(..1).unwrap_or_default(), placement),
            b"Switch" => {
                let [choice] = node.fixed("whichChoice", [-1.0]);
                let chosen = node.children("choice").get(choice as usize).filter(|_| choice >= 0.0);
                all(chosen.map(std::slice::from_ref).unwrap_or_default(), placement)
            }
            b"Shape" => node.children("geometry").iter().try_for_each(|&geometry| self.surface(geometry, placement)),
            _ => Ok(()),
        }
    }

    fn surface(&mut self, place: usize, placement: &Placement) -> Result<(), String> {
        let nodes = self.nodes;
        let Some(node) = nodes.get(place) else { return Ok(()) };
        if node.kind != b"IndexedFaceSet" {
            let name = text::shown(node.kind);
            if !self.others.contains(&name) && self.others.len() < 8 {
                self.others.push(name);
            }
            return Ok(());
        }
        let points = node.children("coord").first().and_then(|&coord| nodes.get(coord));
        let (points, rest) = points.map(|node| node.numbers("point")).unwrap_or_default().as_chunks::<3>();
        if !rest.is_empty() {
            return Err(format!("a list of points has {} numbers, not a multiple of 3", points.len() * 3 + rest.len()));
        }
        let indices = node.numbers("coordIndex");
        if self.corners.len() + points.len() > MAX_CORNERS || self.triangles.len() + indices.len() > 2 * MAX_CORNERS {
            return Err(format!("builds more than {MAX_CORNERS} corners or twice as many triangles"));
        }
        let base = self.corners.len() as u32;
        self.corners.extend(points.iter().map(|point| placement.place(*point).map(|v| v as f32)));
        let mut polygon = Vec::new();
        for index in indices.iter().chain([&-1.0]) {
            if *index < 0.0 {
                fan(&polygon, &mut self.triangles);
                polygon.clear();
            } else if *index < points.len() as f64 && index.fract() == 0.0 {
                polygon.push(base + *index as u32);
            } else {
                return Err(format!("a face names corner {index}, there are {}", points.len()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "#VRML V2.0 utf8\n# made by hand\nShape {\n  appearance DEF RED Appearance { material Material \
        { diffuseColor 0.8 0.1 0.1 transparency 0 } }\n  geometry IndexedFaceSet { solid FALSE creaseAngle 0.5\n    \
        coord DEF C Coordinate { point [ 0 0 1, 1 0 1,\n 1 1 1, 0 1 1 ] }\n    coordIndex [ 0,1,2,3,-1 0 1 2 -1 ] }\n}\n";

    fn mesh(file: &str) -> Mesh {
        match decode(file.as_bytes()) {
            Ok(Shape::Surface(mesh)) => mesh,
            other => panic!("{file}: {other:?}"),
        }
    }

    #[test]
    fn polygons_are_read_from_among_nodes_of_every_kind() {
        let before = "WorldInfo { title \"a { \\\" b\" info [ \"x\" \"y\" ] }\nViewpoint { position 0 0 1 }\n\
                      ROUTE a.b TO c.d\n";
        let file = SQUARE.replace("# made by hand\n", before);
        for file in [SQUARE.to_owned(), file, SQUARE.replace('\n', "\r\n")] {
            let mesh = mesh(&file);
            assert_eq!(mesh.corners(), [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]);
            assert_eq!(mesh.triangles(), [[0, 1, 2], [0, 2, 3], [0, 1, 2]]);
        }
    }

    #[test]
    fn transforms_nest_and_use_repeats_what_def_named() {
        let shape = SQUARE.lines().skip(2).collect::<Vec<_>>().join("\n");
        let file = format!(
            "#VRML V2.0 utf8\nTransform {{ translation 10 0 0 children [ DEF S {shape}\n\
             Transform {{ rotation 0 0 2 1.5707963267948966 scale 2 1 1 translation 0 5 0 children USE S }} ] }}\n\
             Switch {{ whichChoice 1 choice [ Group {{ }} Group {{ children [ USE S ] }} ] }} Switch {{ choice USE S }}\n\
             LOD {{ level [ USE S Group {{ children USE S }} ] }}"
        );
        let mesh = mesh(&file);
        assert_eq!((mesh.corners().len(), mesh.triangles().len()), (16, 12));
        assert_eq!(mesh.corners()[1], [11.0, 0.0, 1.0]);
        // (1, 1, 1) scaled to (2, 1, 1), turned to (-1, 2, 1), moved to (-1, 7, 1), then to (9, 7, 1).
        let turned = mesh.corners()[6];
        assert!([9.0, 7.0, 1.0].iter().zip(turned).all(|(a, b)| (a - b).abs() < 1e-6), "{turned:?}");
        assert_eq!(mesh.corners()[9], [1.0, 0.0, 1.0]);
    }

    #[test]
    fn scaling_happens_at_the_centre_and_along_its_own_axes() {
        let node = |fields: &str| {
            let file = SQUARE.replace("Shape {", &format!("Transform {{ {fields} children Shape {{")) + "}";
            mesh(&file).corners()[2]
        };
        let near = |found: [f32; 3], expected: [f32; 3]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        near(node("scale 3 3 3 center 1 0 0"), [1.0, 3.0, 3.0]);
        near(node("rotation 0 0 1 3.14159265358979 center 1 0 0"), [1.0, -1.0, 1.0]);
        // Stretched along the diagonal on which the corner lies.
        near(node("scale 2 1 1 scaleOrientation 0 0 1 0.785398163397448"), [2.0, 2.0, 1.0]);
        near(node("rotation 0 0 0 1"), [1.0, 1.0, 1.0]);
    }

    #[test]
    fn damaged_and_hostile_files_say_what_is_wrong() {
        let with = |from: &str, to: &str| SQUARE.replace(from, to).into_bytes();
        let start = "#VRML V2.0 utf8\n".to_owned();
        let deep = start.clone() + &"Group { children [ ".repeat(100_000);
        let mut chain = start.clone() + "DEF A0 Group { }\n";
        let mut bomb = SQUARE.replace("Shape {", "DEF A0 Shape {");
        for i in 1..100 {
            chain += &format!("DEF A{i} Group {{ children USE A{} }}\n", i - 1);
            bomb += &format!("DEF A{i} Group {{ children [ USE A{0} USE A{0} ] }}\n", i - 1);
        }
        for (bytes, expected) in [
            (with("V2.0 utf8", "V1.0 ascii"), "expected `#VRML V2.0 utf8`"),
            (with("1 1 1,", "1 nan 1,"), "line 7: found `nan`"),
            (with("1 1 1,", "1 1e999 1,"), "found `1e999`, expected a finite number"),
            (with("1 1 1,", "1 1"), "11 numbers"),
            (with("2,3,-1", "2,4,-1"), "names corner 4, there are 4"),
            (with("2,3,-1", "2,0.5,-1"), "names corner 0.5"),
            (with("2,3,-1", "2,1e300,-1"), "names corner"),
            (with("IndexedFaceSet", "Sphere"), "not read: `Sphere`"),
            (with("0,1,2,3,-1 0 1 2 -1", ""), "no IndexedFaceSet with faces"),
            (with("0,1,2,3,-1 0 1 2 -1", "0 0 0"), "no area"),
            (with("DEF C", "USE C"), "expected a name given by DEF"),
            (with("DEF C", "DEF ["), "expected a name"),
            (with("coord DEF", "] DEF"), "expected a field or `}`"),
            (with("Shape {", "Shape ["), "expected a node with its fields"),
            (with("Shape {", "PROTO X {"), "prototypes"),
            (with("1 1 1,", "1 \0 1"), "binary data"),
            (SQUARE.as_bytes()[..SQUARE.len() - 10].to_vec(), "cut off"),
            (start.clone().into_bytes(), "no IndexedFaceSet"),
            (deep.into_bytes(), "more than 64 deep"),
            (chain.into_bytes(), "more than 64 deep"),
            (bomb.into_bytes(), "more than"),
            ((start + "\"never ends").into_bytes(), "expected a node"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
