//! `seeds DIRECTORY`: writes what fuzz targets begin with, in a folder for each. The golden packets: whole streams
//! for `split_packet`, single payloads for the decoders. The examples of `httpd-conf` and `docs`, a block each, for
//! `config`; the fixtures of `tests/migrate` for `jk2ajp`. Run it in the root of the sources.

use std::path::PathBuf;
use std::{env, fs, io};

use mod_proxy_ajp_rs::protocol::handshake::{Container, FrontEnd, Hello, Key};
use mod_proxy_ajp_rs::protocol::{BufferSlice, Direction, split_packet};
use test_support::ajp::golden;

/// Orders as the page, scripts and mod_jk's tools send them, and a pattern with a name.
const ORDERS: [&str; 4] = [
    "action=drain&member=node1&balancer=app&nonce=0123456789abcdef&from=page&confirm=2",
    "action=stop&member=ajp%3A%2F%2F*%3A8009",
    "cmd=update&w=balancer%3A%2F%2Fapp&sw=node?&vwa=d&mime=prop",
    "n*1?\nNode12",
];

fn main() -> io::Result<()> {
    let seeds = PathBuf::from(env::args_os().nth(1).expect("a directory"));
    let write = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(seeds.join(target))?;
        fs::write(seeds.join(target).join(name), bytes)
    };
    for golden in golden::all_golden() {
        write("split_packet", &golden.name, &golden.bytes)?;
        let is_request = golden.bytes.first() == Some(&0x12);
        let (direction, target) = match is_request {
            true => (Direction::ToContainer, "round_trip"),
            false => (Direction::FromContainer, "decode_response"),
        };
        let mut stream = BufferSlice::from(golden.bytes.clone());
        let mut count = 0;
        while let Ok(Some(payload)) = split_packet(&mut stream, direction) {
            write(target, &format!("{}-{count}", golden.name), &payload)?;
            count += 1;
        }
        if !is_request {
            // No pieces, or a GET, its way to a connection, and the bytes at once.
            write("dialer", &golden.name, &[b"\xFF\x01\x02\x07", &golden.bytes[..]].concat())?;
            let length = (golden.bytes.len() as u16).to_be_bytes();
            let plan = [&[0; 13][..], &[29], &length, &golden.bytes].concat();
            write("conversation", &golden.name, &plan)?;
        }
    }
    let key = Key::new(b"sixteen bytes or more").expect("long enough");
    let hello = Hello::new([1; 16], b"node1").expect("a short name");
    let (challenge, _) = FrontEnd::answer(&key, 9100, [2; 16], &hello);
    let container = Container::new(&key, 9100, hello);
    let challenge = challenge.encode();
    let proof = container.proof(&challenge[4..]).expect("the same key");
    write("handshake", "hello", &container.hello()[4..])?;
    write("handshake", "challenge", &challenge[4..])?;
    write("handshake", "proof", &proof[4..])?;
    for (at, order) in ORDERS.iter().enumerate() {
        write("orders", &at.to_string(), order.as_bytes())?;
    }
    for file in files("httpd-conf")?.chain(files("docs")?) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let blocks = text.split("\n```apache").skip(usize::from(name.ends_with(".md")));
        for (at, block) in blocks.enumerate() {
            let block = block.split("\n```").next().unwrap_or_default();
            write("config", &format!("{name}-{at}"), block.as_bytes())?;
        }
    }
    for fixture in files("tests/migrate/fixtures")? {
        let read = |name: &str| fs::read(fixture.join(name)).unwrap_or_default();
        let name = fixture.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parts = ["httpd.conf", "workers.properties", "uriworkermap.properties"].map(read);
        write("jk2ajp", &name, &parts.join(&0))?;
    }
    Ok(())
}

fn files(folder: &str) -> io::Result<impl Iterator<Item = PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths.into_iter())
}
