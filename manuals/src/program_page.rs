//! The page of a program.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::markdown::{example, first_example};

/// Makes the page from the program's options, with the first example of its document.
pub(crate) fn render(command: Command, document: &str) -> Vec<u8> {
    let man = Man::new(command).manual("mod_proxy_ajp_rs");
    let mut page = Vec::new();
    let rendered = [
        man.render_title(&mut page),
        man.render_name_section(&mut page),
        man.render_synopsis_section(&mut page),
        man.render_description_section(&mut page),
        man.render_options_section(&mut page),
    ];
    rendered.into_iter().collect::<Result<(), _>>().expect("memory takes everything");
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLE"]);
    example(&mut roff, first_example(document, "sh"));
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("mod_proxy_ajp_rs"), roman("(7)")]);
    roff.to_writer(&mut page).expect("memory takes everything");
    page
}
