//! Writes the golden packets as seeds: whole streams for `split_packet`, single payloads for the
//! decoders. Run it in `fuzz/`.

use std::{fs, io};

use bytes::Bytes;
use mod_proxy_ajp_rs::protocol::{Direction, split_packet};
use test_support::ajp::golden;

fn main() -> io::Result<()> {
    for folder in ["split_packet", "decode_response", "round_trip"] {
        fs::create_dir_all(format!("corpus/{folder}"))?;
    }
    for golden in golden::all_golden() {
        fs::write(format!("corpus/split_packet/{}", golden.name), &golden.bytes)?;
        let (direction, folder) = match golden.bytes.first() {
            Some(0x12) => (Direction::ToContainer, "round_trip"),
            _ => (Direction::FromContainer, "decode_response"),
        };
        let mut stream = Bytes::from(golden.bytes);
        let mut count = 0;
        while let Ok(Some(payload)) = split_packet(&mut stream, direction) {
            fs::write(format!("corpus/{folder}/{}-{count}", golden.name), payload)?;
            count += 1;
        }
    }
    Ok(())
}
