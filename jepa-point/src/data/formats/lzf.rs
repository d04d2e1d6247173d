//! LZF, the compression of PCD files.
//!
//! A control byte below 32 announces that many bytes plus one as they are. Any other is a copy of earlier output: its
//! upper three bits are the length less two (7 means that a byte with more length follows), its lower five bits and the
//! byte after are the distance less one.

/// Most output of one input byte: a copy of 264 bytes takes three.
const MAX_RATIO: usize = 88;

/// Unpacks exactly `size` bytes.
pub(super) fn unpack(packed: &[u8], size: usize) -> Result<Vec<u8>, String> {
    if size > packed.len().saturating_mul(MAX_RATIO) {
        return Err(format!("{} compressed bytes cannot hold the {size} that are promised", packed.len()));
    }
    let damaged = || "its compressed data is damaged".to_owned();
    let mut out: Vec<u8> = Vec::with_capacity(size);
    let mut rest = packed;
    while let [control, tail @ ..] = rest {
        let control = usize::from(*control);
        if control < 32 {
            let (plain, tail) = tail.split_at_checked(control + 1).ok_or_else(damaged)?;
            out.extend_from_slice(plain);
            rest = tail;
        } else {
            let (more, tail) = if control >> 5 == 7 {
                let (more, tail) = tail.split_first().ok_or_else(damaged)?;
                (usize::from(*more), tail)
            } else {
                (0, tail)
            };
            let (low, tail) = tail.split_first().ok_or_else(damaged)?;
            let distance = ((control & 31) << 8 | usize::from(*low)) + 1;
            let from = out.len().checked_sub(distance).ok_or_else(damaged)?;
            // A copy may reach into itself: byte by byte.
            for at in from..from + (control >> 5) + more + 2 {
                out.push(out[at]);
            }
            rest = tail;
        }
        if out.len() > size {
            return Err(format!("its compressed data holds more than the {size} bytes that are promised"));
        }
    }
    if out.len() != size {
        return Err(format!("its compressed data holds {} bytes, {size} are promised", out.len()));
    }
    Ok(out)
}

#[cfg(test)]
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    // Runs of one byte as copies, the rest as it is.
    let mut packed = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|b| **b == bytes[at]).count();
        packed.extend([0, bytes[at]]);
        at += 1;
        let mut left = run - 1;
        while left >= 3 {
            let copy = left.min(264);
            match copy - 2 {
                length @ ..7 => packed.extend([(length << 5) as u8, 0]),
                length => packed.extend([7 << 5, (length - 7) as u8, 0]),
            }
            at += copy;
            left -= copy;
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        let runs: Vec<u8> = (0..40u8).flat_map(|i| vec![i; usize::from(i) * 20 + 1]).collect();
        for bytes in [&b""[..], b"a", b"aaaa", b"abcabcabc", &runs] {
            assert_eq!(unpack(&pack(bytes), bytes.len()).unwrap(), bytes);
        }
        // By hand: `abc`, then a copy of six bytes from three back, which reaches into itself.
        assert_eq!(unpack(&[2, b'a', b'b', b'c', 4 << 5, 2], 9).unwrap(), b"abcabcabc");
    }

    #[test]
    fn damaged_data_is_an_error_and_a_bomb_is_never_built() {
        for (packed, size) in [
            (&[5u8, 1, 2][..], 6),
            (&[1 << 5, 0], 3),
            (&[7 << 5], 9),
            (&[7 << 5, 1], 9),
            (&[0, 1, 1 << 5, 1], 4),
            (&[0, 1], 2),
            (&[1, 1, 1], 1),
            (&[0, 1], usize::MAX),
        ] {
            assert!(unpack(packed, size).is_err(), "{packed:?}");
        }
    }
}
