//! `jk2ajp --watch` beside an httpd: edited files take effect, as mod_jk's own do.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;
use test_support::process::{Guarded, signal, wait_for};

/// Workers, two maps, and programs in place of httpd's.
struct Place(TempDir);

/// Records its arguments. If its directory has `alone` or `all`, it refuses the files by themselves, or
/// the whole configuration with them.
const APACHECTL: &str = "cd \"$(dirname \"$0\")\" && echo \"$*\" >> asked\n\
    case \"$*\" in *-f*) mark=alone ;; *) mark=all ;; esac\n\
    [ ! -e $mark ] || { echo \"AH00526: not with me\"; exit 1; }\n";

/// Records that it was run. If its directory has `slow`, it runs until `slow` is gone; with `down`, it
/// fails.
const RELOAD: &str = "cd \"$(dirname \"$0\")\" && echo \"$*\" >> reloads\n\
    while [ -e slow ]; do sleep 0.1; done\n[ ! -e down ]\n";

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a temporary directory"));
        place.write("workers.properties", "worker.list=a,b\nworker.a.port=8109\n");
        place.write("map", "/shop/*=a\n");
        place.write("host-map", "/host/*=b\n");
        place.write("apachectl", APACHECTL);
        place.write("reload", RELOAD);
        let conf = format!(
            "ServerRoot \"{}\"\nJkWorkersFile workers.properties\nJkMountFile map\n\
             JkMountFileReload 1\nJkMountCopy All\nIncludeOptional new/*.conf\n\
             <VirtualHost *:80>\nJkMountFile host-map\n</VirtualHost>\n",
            place.0.path().display()
        );
        place.write("httpd.conf", &conf);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("our own directory");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("it is there");
    }

    /// The content of a file; nothing if there is none.
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn main_file(&self) -> String {
        self.text("new/jk2ajp.conf")
    }

    fn reloads(&self) -> usize {
        self.text("reloads").lines().count()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jk2ajp"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn once(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("cargo has built it")
    }

    /// Waits until it reads the files.
    fn watch(&self) -> Watching {
        let arguments = ["httpd.conf", "-o", "new", "--watch", "--modules", "none"];
        let programs = ["--apachectl", "sh apachectl", "--reload", "sh reload now"];
        let mut command = self.command(&arguments);
        Watching::start(command.args(programs), self.path("log"))
    }
}

/// A running `jk2ajp --watch`.
struct Watching {
    process: Guarded,
    log: PathBuf,
}

impl Watching {
    fn start(command: &mut Command, log: PathBuf) -> Watching {
        let errors = File::create(&log).expect("our own directory");
        let watching = Watching { process: Guarded::spawn(command.stderr(errors)), log };
        watching.says("watching ");
        watching
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("it was made at the start")
    }

    fn says(&self, words: &str) {
        wait_for(words, || self.said().contains(words).then_some(()));
    }

    /// Waits until it has printed this as often as given.
    fn says_again(&self, words: &str, count: usize) {
        wait_for(words, || (self.said().matches(words).count() == count).then_some(()));
    }

    /// Sends the signal, and waits for the end.
    fn end(mut self, name: &str) -> String {
        signal(name, self.process.pid());
        let status = wait_for("it ends", || self.process.exit_status());
        assert_eq!(status.code(), Some(0), "{}", self.said());
        self.said()
    }
}

#[test]
fn an_edited_map_is_written_checked_and_reloaded_once_and_an_invalid_line_is_reported() {
    let place = Place::new();
    let watching = place.watch();
    assert_eq!(place.reloads(), 0, "nothing can include what was not there");
    assert!(watching.said().contains("watching 4 files, every 1 s"), "{}", watching.said());

    place.write("map", "/shop/*=a\nbroken\n/more/*=a\n");
    watching.says("sh reload now: done");
    assert!(place.main_file().contains("/more"), "{}", place.main_file());
    let said = watching.end("TERM");
    assert_eq!(said.matches("map:2:1").count(), 1, "{said}");
    assert_eq!(place.text("reloads"), "now\n");
    let asked = place.text("asked");
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(asked.len(), 3, "at the start, and before and after it is in place: {asked:?}");
    assert_eq!(asked[2], "-t");
}

#[test]
fn written_files_are_not_among_the_files_that_are_read() {
    let place = Place::new();
    let watching = place.watch();
    place.write("map", "/shop/*=a\n/more/*=a\n");
    watching.says("sh reload now: done");
    let said = watching.end("INT");
    let names = fs::read_dir(place.path("new")).expect("it was made").count();
    assert_eq!(names, 2, "the main server, and the one virtual host");
    assert!(said.contains("changed: ") && !said.contains("new/jk2ajp.conf,"), "{said}");
}

#[test]
fn a_comment_that_moves_lines_is_no_reason_to_reload() {
    let place = Place::new();
    let watching = place.watch();
    place.write("map", "# new\n\n/shop/*=a\n");
    wait_for("the new line is named", || place.main_file().contains("map:3").then_some(()));
    place.write("map", "# new\n\n/shop/*=a\n/more/*=a\n");
    watching.says("sh reload now: done");
    assert_eq!(place.reloads(), 1);
}

// row 93
#[test]
fn a_removed_map_leaves_its_rules_in_force_and_the_other_files_still_count() {
    let place = Place::new();
    let watching = place.watch();
    let before = place.main_file();
    place.remove("map");
    watching.says("map: No such file");
    assert_eq!((place.main_file(), place.reloads()), (before, 0));

    place.write("host-map", "/host/*=b\n/guest/*=b\n");
    watching.says("sh reload now: done");
    assert!(place.main_file().contains("/shop"));
    place.write("map", "/back/*=a\n");
    watching.says_again("sh reload now: done", 2);
    assert!(place.main_file().contains("/back") && !place.main_file().contains("/shop"));
    let said = watching.end("TERM");
    assert_eq!(said.matches("stays in force").count(), 1, "{said}");
}

#[test]
fn files_that_cannot_be_converted_leave_the_written_files_in_place() {
    let place = Place::new();
    let watching = place.watch();
    let before = place.main_file();
    place.write("workers.properties", "worker.list=a\nworker.a.prot=1\n");
    watching.says("nothing is written");
    assert!(watching.said().contains("workers.properties:2:1"), "{}", watching.said());
    assert_eq!((place.main_file(), place.reloads()), (before, 0));
}

#[test]
fn a_result_that_httpd_rejects_is_not_put_in_place_and_is_tried_again_silently() {
    let place = Place::new();
    let watching = place.watch();
    let before = place.main_file();
    place.write("alone", "");
    place.write("map", "/more/*=a\n");
    watching.says("AH00526: not with me");
    let asked = place.text("asked").lines().count();
    wait_for("it is tried again", || (place.text("asked").lines().count() > asked).then_some(()));
    assert_eq!((place.main_file(), place.reloads()), (before, 0));
    assert_eq!(watching.said().matches("AH00526").count(), 1, "{}", watching.said());
    place.remove("alone");
    watching.says("sh reload now: done");
    assert!(place.main_file().contains("/more"));
}

#[test]
fn a_result_that_httpd_rejects_once_it_is_in_place_is_reverted() {
    let place = Place::new();
    let watching = place.watch();
    let before = place.main_file();
    place.write("all", "");
    place.write("map", "/more/*=a\n");
    watching.says("AH00526: not with me");
    // Each check puts the new one in place again, for a moment.
    wait_for("the old one is back", || (place.main_file() == before).then_some(()));
    assert_eq!(place.reloads(), 0);
    // A valid edit of another file is not delayed by it.
    place.remove("all");
    place.write("map", "/less/*=a\n");
    watching.says("sh reload now: done");
    wait_for("the last edit is there", || place.main_file().contains("/less").then_some(()));
    watching.end("TERM");
    assert_eq!(fs::read_dir(place.path("new")).expect("it is there").count(), 2);
}

#[test]
fn a_reload_that_fails_is_reported_and_the_next_one_works() {
    let place = Place::new();
    let watching = place.watch();
    place.write("down", "");
    place.write("map", "/more/*=a\n");
    watching.says("sh reload now: exit status: 1; httpd may not have read the new files");
    assert!(place.main_file().contains("/more"), "an httpd that is started later reads it");
    place.remove("down");
    place.write("map", "/less/*=a\n");
    watching.says("sh reload now: done");
    assert_eq!(place.reloads(), 2);
}

#[test]
fn a_reload_that_does_not_end_does_not_keep_the_command_from_ending() {
    let place = Place::new();
    let watching = place.watch();
    place.write("slow", "");
    place.write("map", "/more/*=a\n");
    wait_for("it reloads", || (place.reloads() == 1).then_some(()));
    let said = watching.end("TERM");
    assert!(!said.contains("sh reload now: "), "it has not ended, nor been ended: {said}");
    // It was left running, and ends with this.
    place.remove("slow");
}

#[test]
fn an_edit_made_while_the_command_was_not_running_is_put_in_place_at_the_start() {
    let place = Place::new();
    place.watch().end("TERM");
    place.watch().end("TERM");
    assert_eq!(place.reloads(), 0, "all was as it had been left");
    place.write("map", "/more/*=a\n");
    place.watch().end("TERM");
    assert!(place.main_file().contains("/more"));
    assert_eq!(place.reloads(), 1);
}

#[test]
fn a_start_that_fails_ends_with_the_status_of_a_run_without_watch() {
    let place = Place::new();
    let watch = ["httpd.conf", "-o", "new", "--watch", "--apachectl", "sh apachectl"];
    place.write("alone", "");
    let done = place.once(&[&watch[..], &["--modules", "none"]].concat());
    assert_eq!(done.status.code(), Some(3));
    place.write("map", "no rule");
    place.write("httpd.conf", "JkMountFile none\n");
    assert_eq!(place.once(&watch).status.code(), Some(1));
    place.remove("httpd.conf");
    assert_eq!(place.once(&watch).status.code(), Some(2));
    assert!(!place.path("new").exists());
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let place = Place::new();
    for (arguments, words) in [
        (&["httpd.conf", "--watch"][..], "--output"),
        (&["httpd.conf", "-o", "new", "--watch=0"], "0"),
        (&["httpd.conf", "-o", "new", "--watch", "--report"], "--report"),
        (&["httpd.conf", "-o", "new", "--reload", "true"], "--watch"),
        (&["httpd.conf", "-o", "new", "--watch", "--reload", " "], "no program given"),
    ] {
        let done = place.once(arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[cfg(feature = "httpd")]
mod served {
    use super::*;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use test_support::ajp::echo::respond;
    use test_support::httpd::{Httpd, Module, binary, modules_directory};
    use test_support::members::backend;

    /// Asks on a new connection each time, until told to stop: every answer must be a 200.
    fn while_asking(httpd: &Httpd, work: impl FnOnce(&dyn Fn())) -> usize {
        let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let more = || {
            let before = answered.load(Ordering::Relaxed);
            wait_for("more answers", || {
                (answered.load(Ordering::Relaxed) > before + 20).then_some(())
            });
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        httpd.get("/app/x").expect(200);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&more)));
            stop.store(true, Ordering::Relaxed);
            if let Err(panic) = done {
                std::panic::resume_unwind(panic);
            }
        });
        answered.into_inner()
    }

    fn conf(place: &Path, directory: &str) -> String {
        let place = place.display();
        format!(
            "<IfModule mod_jk.c>\nJkWorkersFile \"{place}/workers.properties\"\n\
             JkMountFile \"{place}/map\"\nJkMountFileReload 1\n</IfModule>\n\
             Include \"{place}/{directory}/*.conf\"\n"
        )
    }

    // row 93
    #[test]
    fn a_running_httpd_serves_a_new_rule_and_the_old_ones_when_the_map_is_gone() {
        let peer = backend(|conn, _| respond(conn, "served").map(|()| true));
        let place = Place(tempfile::tempdir().expect("a temporary directory"));
        let workers = format!("worker.list=a\nworker.a.port={}\n", peer.port());
        place.write("workers.properties", &workers);
        place.write("map", "/app/*=a\n");
        let first = ["--workers", "workers.properties", "--map", "map", "-o", "new"];
        assert!(place.once(&first).status.success());
        let httpd = Httpd::setup().conf(&conf(place.0.path(), "new")).start();
        let root = httpd.root().display();
        let own = format!("{root}/httpd.conf");
        let program = format!("\"{}\" -d \"{root}\" -f \"{own}\"", binary().display());
        let reload = format!("sh -c \"kill -USR1 {}\"", httpd.pid());
        let module = Module::Ours.path().display().to_string();
        let modules = modules_directory().display().to_string();
        let arguments =
            [&own, "-o", "new", "--watch", "--apachectl", &program, "--reload", &reload];
        let mut command = place.command(&arguments);
        let command = command.args(["--module", &module, "--modules", &modules]);
        let watching = Watching::start(command, place.path("log"));
        let starts = || httpd.error_log().matches("resuming normal operations").count();

        let answered = while_asking(&httpd, |more| {
            more();
            place.write("map", "/app/*=a\nbroken\n/new/*=a\n");
            wait_for("the new rule is in force", || {
                (httpd.get("/new/x").status == 200).then_some(())
            });
            more();
            assert!(watching.said().contains("map:2:1"), "{}", watching.said());
            place.remove("map");
            watching.says("map: No such file");
            more();
            httpd.get("/new/x").expect(200);
            assert_eq!(starts(), 2, "httpd was reloaded once");
            place.write("map", "/app/*=a\n/third/*=a\n");
            wait_for("it counts again", || (httpd.get("/third/x").status == 200).then_some(()));
            more();
        });

        assert!(answered > 80, "{answered} answers");
        // A child that has been told to end may still accept a connection.
        wait_for("the removed rule is gone", || (httpd.get("/new/x").status == 404).then_some(()));
        let pid = fs::read_to_string(httpd.root().join("httpd.pid")).expect("it runs");
        assert_eq!(pid.trim(), httpd.pid().to_string(), "it is the process it was");
        watching.end("TERM");
    }
}
