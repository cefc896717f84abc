//! Checksums put right, so that what stands behind them is reached.

use lightning_db::disk_format::FormatError;

/// Decodes `bytes`; where only a stored checksum is wrong, corrects it and decodes again.
///
/// The error names the stored and the computed sum, in either order; the place is where the stored one stands.
pub fn decode_resealed<T>(
    bytes: &mut [u8],
    decode: impl Fn(&[u8]) -> Result<T, FormatError>,
) -> Result<T, FormatError> {
    let error = match decode(bytes) {
        Ok(decoded) => return Ok(decoded),
        Err(error) if is_checksum(&error) => error,
        Err(error) => return Err(error),
    };
    for (stored, computed) in [
        (error.expected, error.actual),
        (error.actual, error.expected),
    ] {
        let (Ok(stored), Ok(computed)) = (u32::try_from(stored), u32::try_from(computed)) else {
            continue;
        };
        for at in (0..bytes.len().saturating_sub(3)).step_by(4) {
            if bytes[at..at + 4] != stored.to_le_bytes() {
                continue;
            }
            bytes[at..at + 4].copy_from_slice(&computed.to_le_bytes());
            match decode(bytes) {
                Err(again) if is_checksum(&again) => {
                    bytes[at..at + 4].copy_from_slice(&stored.to_le_bytes());
                }
                decoded => return decoded,
            }
        }
    }
    Err(error)
}

fn is_checksum(error: &FormatError) -> bool {
    error.what.ends_with("checksum")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning_db::disk_format::frame::FrameHeader;
    use lightning_db::ids::{Lsn, SegmentSeq};

    #[test]
    fn a_changed_field_is_reached_behind_its_checksum() {
        let header = FrameHeader {
            salt: 1,
            segment: SegmentSeq(2),
            position: Lsn(3),
            durable: Lsn(4),
            payload_len: 5,
            payload_crc: 6,
            prev_chain: 7,
            first_part: true,
            last_part: true,
        };
        let (mut bytes, _) = header.encode();
        bytes[40] = 99;
        assert!(FrameHeader::decode(&bytes).is_err());
        let (decoded, _) = decode_resealed(&mut bytes, FrameHeader::decode).unwrap();
        assert_eq!(
            decoded,
            FrameHeader {
                payload_len: 99,
                ..header
            }
        );
    }
}
