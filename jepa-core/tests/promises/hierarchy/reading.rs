//! What a level reads of the one below.

use burn::prelude::*;
use jepa_core::hierarchy::{Sequence, moments};
use jepa_core::host;
use jepa_core::jepa::Step;

use super::walkers::{Walker, level};

/// Two samples; state and action at time t of sample i are 100 i + t and 1000 + 100 i + t.
fn counted(times: usize, seen: &[usize]) -> Sequence {
    let of = |base: usize, times: &[usize]| -> Tensor<3> {
        let values = [0, 1].iter().flat_map(|i| times.iter().map(move |t| (base + 100 * i + t) as f32));
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [2, times.len(), 1]), &Device::flex())
    };
    let all: Vec<usize> = (0..times - 1).collect();
    Sequence { states: of(0, seen), came: None, moments: seen.to_vec(), actions: of(1000, &all) }
}

#[test]
fn an_upper_level_gets_exactly_every_kth_state_and_the_actions_of_whole_stretches() {
    let read = counted(12, &(0..12).collect::<Vec<_>>()).every(4);
    assert_eq!(host::read(read.states).unwrap(), [0.0, 4.0, 8.0, 100.0, 104.0, 108.0]);
    assert_eq!((read.moments, read.actions.dims()), (vec![0, 1, 2], [2, 2, 4]));
    let actions = host::read(read.actions).unwrap();
    assert_eq!(actions[..8], [1000.0, 1001.0, 1002.0, 1003.0, 1004.0, 1005.0, 1006.0, 1007.0]);
    assert_eq!(actions[8..12], [1100.0, 1101.0, 1102.0, 1103.0]);
    // A level on a level: every second of every fourth.
    let above = counted(17, &(0..17).collect::<Vec<_>>()).every(4).every(2);
    assert_eq!(host::read(above.states).unwrap(), [0.0, 8.0, 16.0, 100.0, 108.0, 116.0]);
}

#[test]
fn times_that_no_level_reads_need_not_be_there() {
    let levels = [level(4, 3, 2), level(2, 2, 2)];
    let seen = moments(3, &levels);
    assert_eq!(seen, [0, 1, 2, 4, 8, 12, 16]);
    let (sparse, all) = (counted(17, &seen), counted(17, &(0..17).collect::<Vec<_>>()));
    assert_eq!((sparse.run(), all.run()), (3, 17));
    let states = |s: &Sequence| host::read(s.states.clone()).unwrap();
    assert_eq!(states(&sparse.every(4)), states(&all.every(4)));
    assert_eq!(states(&sparse.every(4).every(2)), states(&all.every(4).every(2)));
    // The control: what was left out is missed by a level that reads it.
    assert_ne!(states(&sparse.every(2)), states(&all.every(2)));
}

#[test]
fn a_state_that_is_not_a_kth_one_changes_no_upper_level() {
    let (walker, step) = (Walker::new(&[level(3, 2, 2), level(2, 1, 2)]), Step::new(1, 9, 0, &Device::flex()));
    let of = |disturbed: Option<usize>| -> Vec<Vec<f32>> {
        let mut walks = super::walkers::Walks::draw(3, 13);
        if let Some(time) = disturbed {
            walks.inputs.chunks_exact_mut(3 * 13).for_each(|walk| walk[3 * time] += 1.0);
        }
        let states = walker.encoder.forward(walks.states());
        let above = walker.stack.forward(&walker.stack, Sequence::new(states, walks.moves()), &step);
        let all = |level: &jepa_core::jepa::LevelForward| {
            level.embeddings.iter().flat_map(|(_, e)| host::read(e.clone()).unwrap()).collect()
        };
        above.iter().map(all).collect()
    };
    let plain = of(None);
    for time in [1, 2, 4, 5, 7, 8, 10, 11] {
        assert_eq!(of(Some(time)), plain, "time {time}");
    }
    // Level 2 reads 3 and 9 which level 3 leaves out; level 3 reads 6 and 12 too.
    for (time, changed) in [(3, [true, false]), (6, [true, true]), (9, [true, false]), (12, [true, true])] {
        let found = of(Some(time));
        assert_eq!([0, 1].map(|level| found[level] != plain[level]), changed, "time {time}");
    }
}
