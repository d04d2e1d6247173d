//! What the joints of a skeleton are: names, bones, left and right, the body's axis.

use std::sync::{Arc, LazyLock};

use jepa_core::error::{Error, Result};

/// Most joints a skeleton may have: motion capture of body, fingers and face needs about 200.
pub const MAX_JOINTS: usize = 512;

/// The joints of one kind of skeleton. Joints are numbered from 0 in the order of the format they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JointSet {
    /// What this set is called: `kinect25`, `coco17`, ..
    pub name: String,
    /// Name of each joint.
    pub names: Vec<String>,
    /// The joint towards the root that each joint hangs on; none for a root.
    pub parents: Vec<Option<u32>>,
    /// Where the bone that ends in each joint begins; a joint that is its own beginning has no bone.
    pub bones: Vec<u32>,
    /// Pairs of a left and a right joint that a mirror image swaps.
    pub mirror: Vec<[u32; 2]>,
    /// The joints whose mean is the middle of the body.
    pub centre: Vec<u32>,
    /// The joints whose means are the lower and the upper end of the body's axis; both empty where it is unknown.
    pub axis: [Vec<u32>; 2],
}

impl JointSet {
    /// Checks that the parts speak of the same joints and that parents lead to a root.
    pub fn check(&self) -> Result<()> {
        let count = self.names.len();
        let wrong = |problem: String| Err(Error::data(format!("joints `{}`", self.name), problem));
        if count == 0 || count > MAX_JOINTS {
            return wrong(format!("has {count} joints, expected 1 to {MAX_JOINTS}"));
        }
        if self.parents.len() != count || self.bones.len() != count {
            let (parents, bones) = (self.parents.len(), self.bones.len());
            return wrong(format!("has {count} joints, but {parents} parents and {bones} bones"));
        }
        let named = self.parents.iter().flatten().chain(&self.bones).chain(self.mirror.iter().flatten());
        let named = named.chain(&self.centre).chain(self.axis.iter().flatten());
        if let Some(joint) = named.copied().find(|&joint| joint as usize >= count) {
            return wrong(format!("speaks of joint {joint}, there are {count}"));
        }
        for start in 0..count {
            let (mut at, mut steps) = (start, 0);
            while let Some(parent) = self.parents[at] {
                (at, steps) = (parent as usize, steps + 1);
                if steps > count {
                    return wrong(format!("the parents of joint {start} go round in a circle"));
                }
            }
        }
        Ok(())
    }

    /// Number of joints.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no joints; a checked set has some.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The 25 joints of Kinect v2, as in NTU RGB+D and PKU-MMD. The bones of the hands run tip - thumb - hand, as in the
    /// bone stream of MAMP (`feeder/feeder_ntu.py`), where the skeleton's graph hangs tip and thumb on the hand.
    pub fn kinect25() -> Arc<Self> {
        static SET: LazyLock<Arc<JointSet>> = LazyLock::new(|| {
            let mut set = known(
                "kinect25",
                &[
                    ("spine base", 1),
                    ("spine mid", 20),
                    ("neck", 20),
                    ("head", 2),
                    ("left shoulder", 20),
                    ("left elbow", 4),
                    ("left wrist", 5),
                    ("left hand", 6),
                    ("right shoulder", 20),
                    ("right elbow", 8),
                    ("right wrist", 9),
                    ("right hand", 10),
                    ("left hip", 0),
                    ("left knee", 12),
                    ("left ankle", 13),
                    ("left foot", 14),
                    ("right hip", 0),
                    ("right knee", 16),
                    ("right ankle", 17),
                    ("right foot", 18),
                    ("spine shoulder", 20),
                    ("left hand tip", 7),
                    ("left thumb", 7),
                    ("right hand tip", 11),
                    ("right thumb", 11),
                ],
                &[1],
                [&[0], &[20]],
            );
            set.bones[21] = 22;
            set.bones[23] = 24;
            Arc::new(set)
        });
        Arc::clone(&SET)
    }

    /// The 25 joints of OpenPose (BODY_25).
    pub fn openpose25() -> Arc<Self> {
        static SET: LazyLock<Arc<JointSet>> = LazyLock::new(|| {
            Arc::new(known(
                "openpose25",
                &[
                    ("nose", 1),
                    ("neck", 8),
                    ("right shoulder", 1),
                    ("right elbow", 2),
                    ("right wrist", 3),
                    ("left shoulder", 1),
                    ("left elbow", 5),
                    ("left wrist", 6),
                    ("middle hip", 8),
                    ("right hip", 8),
                    ("right knee", 9),
                    ("right ankle", 10),
                    ("left hip", 8),
                    ("left knee", 12),
                    ("left ankle", 13),
                    ("right eye", 0),
                    ("left eye", 0),
                    ("right ear", 15),
                    ("left ear", 16),
                    ("left big toe", 14),
                    ("left small toe", 19),
                    ("left heel", 14),
                    ("right big toe", 11),
                    ("right small toe", 22),
                    ("right heel", 11),
                ],
                &[8],
                [&[8], &[1]],
            ))
        });
        Arc::clone(&SET)
    }

    /// The 17 joints of COCO.
    pub fn coco17() -> Arc<Self> {
        static SET: LazyLock<Arc<JointSet>> = LazyLock::new(|| {
            Arc::new(known(
                "coco17",
                &[
                    ("nose", 0),
                    ("left eye", 0),
                    ("right eye", 0),
                    ("left ear", 1),
                    ("right ear", 2),
                    ("left shoulder", 0),
                    ("right shoulder", 0),
                    ("left elbow", 5),
                    ("right elbow", 6),
                    ("left wrist", 7),
                    ("right wrist", 8),
                    ("left hip", 5),
                    ("right hip", 6),
                    ("left knee", 11),
                    ("right knee", 12),
                    ("left ankle", 13),
                    ("right ankle", 14),
                ],
                &[11, 12],
                [&[11, 12], &[5, 6]],
            ))
        });
        Arc::clone(&SET)
    }

    /// The 21 joints of a hand, as OpenPose and MediaPipe number them. The axis runs from the wrist to the root of the
    /// middle finger; one hand has no mirror pairs.
    pub fn hand21() -> Arc<Self> {
        static SET: LazyLock<Arc<JointSet>> = LazyLock::new(|| {
            Arc::new(known(
                "hand21",
                &[
                    ("wrist", 0),
                    ("thumb 1", 0),
                    ("thumb 2", 1),
                    ("thumb 3", 2),
                    ("thumb tip", 3),
                    ("index finger 1", 0),
                    ("index finger 2", 5),
                    ("index finger 3", 6),
                    ("index finger tip", 7),
                    ("middle finger 1", 0),
                    ("middle finger 2", 9),
                    ("middle finger 3", 10),
                    ("middle finger tip", 11),
                    ("ring finger 1", 0),
                    ("ring finger 2", 13),
                    ("ring finger 3", 14),
                    ("ring finger tip", 15),
                    ("little finger 1", 0),
                    ("little finger 2", 17),
                    ("little finger 3", 18),
                    ("little finger tip", 19),
                ],
                &[0],
                [&[0], &[9]],
            ))
        });
        Arc::clone(&SET)
    }

    /// The built-in set with so many joints: 25 (Kinect), 17 (COCO) or 21 (hand), else points without bones.
    pub fn by_count(count: usize) -> Arc<Self> {
        match count {
            25 => Self::kinect25(),
            17 => Self::coco17(),
            21 => Self::hand21(),
            _ => Arc::new(Self::points((0..count).map(|joint| format!("point {joint}")).collect())),
        }
    }

    /// Like [`Self::by_count`], for files of `axes` coordinates: 25 joints in two dimensions are those of OpenPose.
    pub fn by_shape(count: usize, axes: usize) -> Arc<Self> {
        if (count, axes) == (25, 2) { Self::openpose25() } else { Self::by_count(count) }
    }

    /// Points without bones; left and right are told by their names.
    pub fn points(names: Vec<String>) -> Self {
        let parents = vec![None; names.len()];
        Self::tree("points", names, parents)
    }

    /// A set with these parents; left and right are told by the names, the axis runs from the first root to the joint
    /// called neck, else to its first child.
    pub fn tree(name: &str, names: Vec<String>, parents: Vec<Option<u32>>) -> Self {
        let bones = (0u32..).zip(&parents).map(|(joint, parent)| parent.unwrap_or(joint)).collect();
        let mirror = mirrored(&names);
        let root = parents.iter().position(Option::is_none).map(|root| root as u32);
        let neck = names.iter().position(|name| name.to_lowercase().contains("neck"));
        let child = parents.iter().position(|parent| parent.is_some() && *parent == root);
        let axis = match (root, neck.or(child)) {
            (Some(root), Some(top)) if root != top as u32 => [vec![root], vec![top as u32]],
            _ => [vec![], vec![]],
        };
        let centre = root.into_iter().collect();
        Self { name: name.to_owned(), names, parents, bones, mirror, centre, axis }
    }
}

/// A built-in set: names with parents (a root is its own parent).
fn known(name: &str, joints: &[(&str, u32)], centre: &[u32], axis: [&[u32]; 2]) -> JointSet {
    let names = joints.iter().map(|(name, _)| (*name).to_owned()).collect();
    let parents = (0u32..).zip(joints).map(|(joint, &(_, parent))| Some(parent).filter(|&p| p != joint)).collect();
    let set = JointSet::tree(name, names, parents);
    JointSet { centre: centre.to_vec(), axis: axis.map(<[u32]>::to_vec), ..set }
}

/// Pairs of names that differ in left and right alone, by the number of the left one.
fn mirrored(names: &[String]) -> Vec<[u32; 2]> {
    let other_side = |name: &str| {
        let words = [("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT")];
        let word = words.iter().find(|(left, _)| name.contains(left)).map(|(l, r)| name.replacen(l, r, 1));
        // Marker sets and motion capture also write LKnee, l_knee or knee_L.
        word.or_else(|| name.strip_prefix('L').filter(|rest| starts_upper(rest)).map(|rest| format!("R{rest}")))
            .or_else(|| name.strip_prefix("l_").map(|rest| format!("r_{rest}")))
            .or_else(|| name.strip_suffix("_L").map(|rest| format!("{rest}_R")))
            .or_else(|| name.strip_suffix(".L").map(|rest| format!("{rest}.R")))
    };
    let pairs = names.iter().enumerate().filter_map(|(left, name)| {
        let right = other_side(name).and_then(|right| names.iter().position(|name| *name == right))?;
        Some([left as u32, right as u32])
    });
    pairs.collect()
}

fn starts_upper(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_sets_are_trees_whose_mirror_pairs_are_left_and_right() {
        for (set, joints, pairs) in [
            (JointSet::kinect25(), 25, 10),
            (JointSet::openpose25(), 25, 11),
            (JointSet::coco17(), 17, 8),
            (JointSet::hand21(), 21, 0),
        ] {
            set.check().unwrap();
            assert_eq!((set.len(), set.mirror.len()), (joints, pairs), "{}", set.name);
            assert_eq!(set.parents.iter().filter(|p| p.is_none()).count(), 1, "{}", set.name);
            for &[left, right] in &set.mirror {
                assert!(set.names[left as usize].contains("left") && set.names[right as usize].contains("right"));
            }
        }
    }

    #[test]
    fn the_kinect_pairs_are_those_of_the_specification() {
        let set = JointSet::kinect25();
        let expected = [[4, 8], [5, 9], [6, 10], [7, 11], [12, 16], [13, 17], [14, 18], [15, 19], [21, 23], [22, 24]];
        let mut sorted = set.mirror.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
        // Pairs 22-23, 23-8, 24-25 and 25-12 of the bone stream, numbered from 1; joint 21 has no bone.
        assert_eq!((set.bones[21], set.bones[22], set.bones[23], set.bones[24]), (22, 7, 24, 11));
        assert_eq!((set.bones[20], set.bones[0], set.bones[16]), (20, 1, 0));
    }

    #[test]
    fn sides_are_told_by_the_usual_spellings() {
        let names = ["Hips", "LeftArm", "RightArm", "LKNE", "RKNE", "hand_L", "hand_R", "Length", "Rength", "Lone"];
        let set = JointSet::points(names.map(str::to_owned).to_vec());
        assert_eq!(set.mirror, [[1, 2], [3, 4], [5, 6]]);
        set.check().unwrap();
    }

    #[test]
    fn a_circle_of_parents_and_a_missing_joint_are_refused() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        let circle = JointSet { parents: vec![Some(1), Some(0)], ..JointSet::points(names()) };
        assert!(circle.check().unwrap_err().to_string().contains("circle"));
        let beyond = JointSet { centre: vec![2], ..JointSet::points(names()) };
        assert!(beyond.check().unwrap_err().to_string().contains("joint 2"));
        assert!(JointSet::points(vec![]).check().is_err());
    }
}
