//! The exchange against the packets of the scripted container.

mod dialogues;
