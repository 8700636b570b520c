//! The page of the module: its directives as docs/reference.md has them, and its parameters as the tables of
//! `src/config` do, with what the documents say about each.

use clap::CommandFactory;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use mod_proxy_ajp_rs::command_line::Jk2ajp;
use mod_proxy_ajp_rs::config::{BalancerKeys, ParameterDocs, WorkerSettings};

use crate::markdown::{example, first_example, first_paragraph, inlines, plain, rows_of, table};

const README: &str = include_str!("../../README.md");
const REFERENCE: &str = include_str!("../../docs/reference.md");
const BALANCING: &str = include_str!("../../docs/balancing.md");

/// Makes the page.
pub(crate) fn render() -> Vec<u8> {
    let mut roff = Roff::new();
    let jk2ajp = Jk2ajp::command();
    let version = jk2ajp.get_version().expect("it has the version of all");
    let source = format!("mod_proxy_ajp_rs {version}");
    roff.control("TH", ["mod_proxy_ajp_rs", "7", "", &source, "mod_proxy_ajp_rs"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("mod_proxy_ajp_rs - AJP/1.3 proxy module for Apache httpd")]);
    roff.control("SH", ["SYNOPSIS"]);
    example(&mut roff, "LoadModule proxy_ajp_module MODULES/mod_proxy_ajp_rs.so");
    example(&mut roff, first_example(README, "apache"));
    roff.control("SH", ["DESCRIPTION"]);
    roff.text(inlines(&first_paragraph(README)));
    paragraph(
        &mut roff,
        "To switch on Debian: `a2dismod proxy_ajp && a2enmod proxy_ajp_rs`. At each start, the module \
        writes a line with the number `AJP0002` to the error log.",
    );

    roff.control("SH", ["DIRECTIVES"]);
    rows_of(REFERENCE, "| `ProxyAjp").for_each(|cells| directive(&mut roff, &cells));

    roff.control("SH", ["PARAMETERS OF A WORKER"]);
    roff.text(inlines("They stand on `ProxyPass`, `BalancerMember`, `ProxySet` and `<Proxy>`, beside those of mod_proxy. \
        The case of a name does not matter."));
    let rows = table(REFERENCE, "| parameter | unit, range | default |");
    parameters(&mut roff, WorkerSettings::documented(), &rows, 4);

    roff.control("SH", ["PARAMETERS OF A BALANCER"]);
    let rows = table(BALANCING, "| parameter of a balancer |");
    parameters(&mut roff, BalancerKeys::documented(), &rows, 3);

    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(
        "Set for one request, by SetEnvIf, SetEnv or RewriteRule; in brackets mod_jk's name:",
    )]);
    for cells in table(REFERENCE, "| environment variable |") {
        let jk =
            if cells[1].is_empty() { String::new() } else { format!(" ({})", plain(&cells[1])) };
        roff.control("TP", []).text([bold(plain(&cells[0])), roman(jk)]).text(inlines(&cells[2]));
    }

    roff.control("SH", ["NOTES FOR THE ACCESS LOG"]);
    roff.text(inlines("In a LogFormat, as `%{ajp-worker}n`:"));
    for cells in table(REFERENCE, "| note |") {
        roff.control("TP", []).text([bold(plain(&cells[0]))]).text(inlines(&cells[1]));
    }

    roff.control("SH", ["DIAGNOSTICS"]);
    roff.text(inlines("Each line in the error log at level `info` and above has a number, `AJP` and four digits, that \
        stands for one cause. troubleshooting.md, among the documents of the module, explains each."));
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("jk2ajp"), roman("(1), "), bold("ajp-dialer"), roman("(1)")]);
    roff.render().into_bytes()
}

fn paragraph(roff: &mut Roff, text: &str) {
    roff.control("PP", []).text(inlines(text));
}

/// A directive: how it is written, and the cells of its row in the reference.
fn directive(roff: &mut Roff, cells: &[String]) {
    roff.control("TP", []).text([bold(plain(&cells[0]))]);
    for (at, (word, cell)) in [("Values", 1), ("Default", 2), ("Where", 3)].into_iter().enumerate()
    {
        let text = format!("{word}: {}.", cells[cell].trim_end_matches('.'));
        if at > 0 {
            roff.control("IP", []);
        }
        roff.text(inlines(&text));
    }
}

/// Parameters, each with the text in this column of its row. Those that share a row share an entry.
fn parameters(
    roff: &mut Roff,
    all: impl Iterator<Item = ParameterDocs>,
    rows: &[Vec<String>],
    column: usize,
) {
    let mut all = all.peekable();
    while let Some(docs) = all.next() {
        let is_row =
            |name: &str, row: &[String]| row[0].split(", ").any(|cell| plain(cell) == name);
        let row = rows.iter().find(|row| is_row(docs.name, row));
        let row = row.expect("a test compares the documents with the parameters");
        roff.control("TP", []).text(usage(&docs));
        while let Some(next) = all.next_if(|next| is_row(next.name, row)) {
            roff.control("TQ", []).text(usage(&next));
        }
        roff.text(inlines(&format!("{} Default: {}.", row[column], row[2])));
    }
}

/// `connecttimeout=milliseconds, 1 to 24 days`
fn usage(docs: &ParameterDocs) -> [Inline; 2] {
    let unit = if docs.unit.is_empty() { String::new() } else { format!("{}, ", docs.unit) };
    [bold(format!("{}=", docs.name)), italic(plain(&format!("{unit}{}", docs.range)))]
}
