//! The golden bytes were computed with the `hmac` and `hashlib` modules of Python 3.13.

use super::*;
use crate::protocol::Field;

const KEY: &[u8] = b"0123456789abcdef0123";
const NODE: &[u8] = b"node1";
const PORT: u16 = 9100;
/// `00 01 … 0F`
const CONTAINER_NONCE: Nonce = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// `80 81 … 8F`
const FRONT_NONCE: Nonce =
    [128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143];

const HELLO: &str = "41420018 5201 000102030405060708090a0b0c0d0e0f 05 6e6f646531";
const CHALLENGE: &str = "12340032 5202 808182838485868788898a8b8c8d8e8f \
    cce5ddc5e08a6e69c0d413d2f4e80be4b14515c806cff40479f2c107e6ba9bfb";
const PROOF: &str = "41420022 5203 \
    8759d1c341430ea49d4fdfefb5fabbae695829d1bf7c3640b6e1db5add8281b0";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn key() -> Key {
    Key::new(KEY).unwrap()
}

fn hello() -> Hello {
    Hello::new(CONTAINER_NONCE, NODE).unwrap()
}

fn container() -> Container {
    Container::new(&key(), PORT, hello())
}

fn expected() -> Expected {
    FrontEnd::answer(&key(), PORT, FRONT_NONCE, &hello()).1
}

/// Every packet that differs from `packet` in one bit of its payload.
fn flipped(packet: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (8 * 4..8 * packet.len()).map(|bit| {
        let mut changed = packet[4..].to_vec();
        changed[bit / 8 - 4] ^= 1 << (bit % 8);
        changed
    })
}

#[test]
fn all_three_packets_are_those_computed_elsewhere() {
    let container = container();
    assert_eq!(container.hello(), bytes(HELLO));
    let received = Hello::decode(&bytes(HELLO)[4..]).unwrap();
    assert_eq!((received.nonce(), received.node()), (CONTAINER_NONCE, NODE));
    let (challenge, expected) = FrontEnd::answer(&key(), PORT, FRONT_NONCE, &received);
    assert_eq!(challenge.encode(), bytes(CHALLENGE));
    assert_eq!(container.proof(&bytes(CHALLENGE)[4..]), Ok(bytes(PROOF)));
    assert!(expected.verify(&Proof::decode(&bytes(PROOF)[4..]).unwrap()));
}

#[test]
fn the_lengths_promised_are_those_of_the_packets() {
    let longest = Hello::new([0; 16], &[b'n'; 255]).unwrap();
    assert_eq!(longest.encode().len(), Hello::MAX_LEN);
    assert_eq!(Hello::decode(&longest.encode()[4..]), Ok(longest));
    assert_eq!(bytes(CHALLENGE).len(), Challenge::LEN);
    assert_eq!(bytes(PROOF).len(), Proof::LEN);
}

#[test]
fn a_node_without_a_name_may_shake_hands() {
    let hello = Hello::new([7; 16], b"").unwrap();
    let container = Container::new(&key(), PORT, hello.clone());
    let (challenge, expected) = FrontEnd::answer(&key(), PORT, [8; 16], &hello);
    let proof = container.proof(&challenge.encode()[4..]).unwrap();
    assert!(expected.verify(&Proof::decode(&proof[4..]).unwrap()));
}

#[test]
fn a_node_name_of_256_bytes_is_an_error() {
    assert_eq!(Hello::new([0; 16], &[b'n'; 256]), Err(NodeTooLong { length: 256 }));
}

#[test]
fn a_challenge_with_any_bit_changed_is_refused() {
    for challenge in flipped(&bytes(CHALLENGE)) {
        assert!(container().proof(&challenge).is_err(), "{challenge:02x?}");
    }
}

#[test]
fn a_hello_with_any_bit_changed_on_its_way_leads_to_no_proof() {
    for changed in flipped(&bytes(HELLO)) {
        let Ok(hello) = Hello::decode(&changed) else { continue };
        let (challenge, _) = FrontEnd::answer(&key(), PORT, FRONT_NONCE, &hello);
        let refused = container().proof(&challenge.encode()[4..]);
        assert_eq!(refused, Err(HandshakeError::WrongKey), "{changed:02x?}");
    }
}

#[test]
fn a_proof_with_any_bit_changed_is_refused() {
    for changed in flipped(&bytes(PROOF)) {
        let refused = Proof::decode(&changed).map(|proof| expected().verify(&proof));
        assert_ne!(refused, Ok(true), "{changed:02x?}");
    }
}

#[test]
fn another_key_is_refused_by_either_side() {
    let other = Key::new(b"0123456789abcdef0124").unwrap();
    let (challenge, _) = FrontEnd::answer(&other, PORT, FRONT_NONCE, &hello());
    let refused = container().proof(&challenge.encode()[4..]);
    assert_eq!(refused, Err(HandshakeError::WrongKey));

    let (challenge, expected) = FrontEnd::answer(&other, PORT, FRONT_NONCE, &hello());
    let insider = Container::new(&other, PORT, hello());
    assert!(insider.proof(&challenge.encode()[4..]).is_ok());
    assert!(!expected.verify(&Proof::decode(&bytes(PROOF)[4..]).unwrap()));
}

#[test]
fn packets_relayed_to_another_port_of_httpd_are_refused() {
    // A stranger has bound 9101, which the container dials, and passes everything on to 9100.
    let container = Container::new(&key(), 9101, hello());
    let (challenge, _) = FrontEnd::answer(&key(), 9100, FRONT_NONCE, &hello());
    let refused = container.proof(&challenge.encode()[4..]);
    assert_eq!(refused, Err(HandshakeError::WrongKey));
}

#[test]
fn a_proof_sent_a_second_time_is_refused_for_httpds_nonce_is_another() {
    let (_, expected) = FrontEnd::answer(&key(), PORT, [9; 16], &hello());
    assert!(!expected.verify(&Proof::decode(&bytes(PROOF)[4..]).unwrap()));
}

#[test]
fn a_challenge_sent_a_second_time_is_refused_for_the_containers_nonce_is_another() {
    let container = Container::new(&key(), PORT, Hello::new([9; 16], NODE).unwrap());
    assert_eq!(container.proof(&bytes(CHALLENGE)[4..]), Err(HandshakeError::WrongKey));
}

#[test]
fn the_hmac_of_a_challenge_is_no_proof() {
    let mirrored = [&[0x52, 0x03], &bytes(CHALLENGE)[22..]].concat();
    assert!(!expected().verify(&Proof::decode(&mirrored).unwrap()));
}

#[test]
fn a_packet_cut_short_or_longer_is_an_error_of_its_field() {
    for length in 0..bytes(HELLO).len() - 4 {
        assert!(Hello::decode(&bytes(HELLO)[4..][..length]).is_err(), "{length}");
    }
    for length in 0..Challenge::LEN - 4 {
        assert!(Challenge::decode(&bytes(CHALLENGE)[4..][..length]).is_err(), "{length}");
    }
    for length in 0..Proof::LEN - 4 {
        assert!(Proof::decode(&bytes(PROOF)[4..][..length]).is_err(), "{length}");
    }
    let left = |field| CodecError::TrailingBytes { field, left: 1 };
    let longer = |hex| [&bytes(hex)[4..], b"\0"].concat();
    assert_eq!(Hello::decode(&longer(HELLO)), Err(left(Field::Node)));
    assert_eq!(Challenge::decode(&longer(CHALLENGE)), Err(left(Field::Mac)));
    assert_eq!(Proof::decode(&longer(PROOF)), Err(left(Field::Mac)));
}

#[test]
fn a_hello_is_known_by_its_first_bytes() {
    let hello = bytes(HELLO);
    assert!(Hello::is_begun_by(&hello[..Hello::PREFIX_LEN]));
    assert!(!Hello::is_begun_by(&hello[..Hello::PREFIX_LEN - 1]));
    assert!(!Hello::is_begun_by(&bytes(PROOF)));
}

#[test]
fn another_packet_than_the_one_due_is_an_error() {
    // CPONG, a forwarded request, and a proof in the place of a hello.
    assert_eq!(Hello::decode(&[0x09]), Err(CodecError::UnknownType { code: 0x09 }));
    assert_eq!(Challenge::decode(&[0x02, 0x02]), Err(CodecError::UnknownType { code: 0x02 }));
    let early = CodecError::HandshakeStep { expected: 1, found: 3 };
    assert_eq!(Hello::decode(&bytes(PROOF)[4..]), Err(early));
}

#[test]
fn a_key_file_may_end_in_line_ends_which_are_not_part_of_the_key() {
    let proof_with = |content: &[u8]| {
        let key = Key::from_file_bytes(content).unwrap();
        Container::new(&key, PORT, hello()).proof(&bytes(CHALLENGE)[4..])
    };
    for end in ["", "\n", "\r\n", "\n\n"] {
        assert_eq!(proof_with(&[KEY, end.as_bytes()].concat()), Ok(bytes(PROOF)), "{end:?}");
    }
    for other in [&b"\n0123456789abcdef0123"[..], b"0123456789abcdef0123 \n"] {
        assert_eq!(proof_with(other), Err(HandshakeError::WrongKey), "{other:?}");
    }
}

#[test]
fn a_key_of_fewer_than_16_bytes_is_an_error() {
    assert!(Key::from_file_bytes(b"0123456789abcdef\n").is_ok());
    let short = Key::from_file_bytes(b"0123456789abcde\r\n\n").unwrap_err();
    assert_eq!(short.to_string(), "a key of 15 bytes, at least 16 are needed");
    assert_eq!(Key::from_file_bytes(b"\r\n").unwrap_err(), KeyError { length: 0 });
}

#[test]
fn no_byte_of_the_key_is_shown() {
    assert_eq!(format!("{:?}", key()), "Key(..)");
    assert!(!format!("{:?} {:?}", container(), expected()).contains("48, 49, 50"));
}
