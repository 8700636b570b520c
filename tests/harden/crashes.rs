//! Which crash is httpd's own, by the stacks of its core file.

use std::fs;
use std::path::Path;

use test_support::crash::{Crashes, is_httpds_own};

/// httpd 2.4.71 of Debian, event: the main thread came to the same fault again, which ended the process.
const RETURNED: &str = "\
#0  0x00007f7b318c5180 in apr_os_sock_get () from /lib/x86_64-linux-gnu/libapr-1.so.0
Thread 2 (Thread 0x7f3af15566c0 (LWP 8436)):
#0  0x00007f3af21729ec in __GI___select (nfds=0) at ../sysdeps/unix/sysv/linux/select.c:69
#1  0x00007f3af2284312 in apr_sleep () from /lib/x86_64-linux-gnu/libapr-1.so.0
Thread 1 (Thread 0x7f3af1fffbc0 (LWP 8435)):
#0  0x00007f7b318c5180 in apr_os_sock_get () from /lib/x86_64-linux-gnu/libapr-1.so.0
#1  0x00007f7b3160306c in ?? () from /usr/lib/apache2/modules/mod_mpm_event.so
#2  0x00007f7b31604507 in ?? () from /usr/lib/apache2/modules/mod_mpm_event.so
#7  0x00005567a135a850 in ap_run_mpm ()
#8  0x00005567a13521c2 in main ()
";

/// The same, ended while the main thread was in httpd's handler: another thread is the first one.
const IN_HANDLER: &str = "\
#0  0x00007f3af21729ec in __GI___select (nfds=0) at ../sysdeps/unix/sysv/linux/select.c:69
Thread 21 (Thread 0x7f3af1fffbc0 (LWP 8435)):
#0  0x00007f3af20b0267 in __GI_kill () at ../sysdeps/unix/syscall-template.S:120
#1  <signal handler called>
#2  0x00007f3af227e180 in apr_os_sock_get () from /lib/x86_64-linux-gnu/libapr-1.so.0
#3  0x00007f3af1fbc06c in ?? () from /usr/lib/apache2/modules/mod_mpm_event.so
#8  0x00005598fe718850 in ap_run_mpm ()
#9  0x00005598fe7101c2 in main ()
Thread 1 (Thread 0x7f3af15566c0 (LWP 8436)):
#0  0x00007f3af21729ec in __GI___select (nfds=0) at ../sysdeps/unix/sysv/linux/select.c:69
#1  0x00007f3af2284312 in apr_sleep () from /lib/x86_64-linux-gnu/libapr-1.so.0
#2  0x00005598fe74cfbe in ?? ()
";

#[test]
fn the_end_of_the_mpm_is_httpds_own_whichever_thread_the_core_file_begins_with() {
    assert!(is_httpds_own(RETURNED));
    assert!(is_httpds_own(IN_HANDLER));
}

#[test]
fn a_crash_that_may_be_the_modules_is_not_httpds_own() {
    let changed = |from: &str, to: &str| {
        assert!(IN_HANDLER.contains(from), "{from}");
        is_httpds_own(&IN_HANDLER.replace(from, to))
    };
    let ours = "libmod_proxy_ajp_rs.so";
    let cases = [
        ("the module is the MPM's caller", changed("in main ()", "in x () from mod_proxy_ajp")),
        ("the module called APR", changed("mod_mpm_event.so", ours)),
        (
            "not in APR",
            changed("apr_os_sock_get () from /lib/x86_64-linux-gnu/libapr-1.so.0", "free ()"),
        ),
        ("another thread than the main one", changed("ap_run_mpm", "start_thread")),
        ("it is not known which thread crashed", changed("<signal handler called>", "?? ()")),
        ("no thread", is_httpds_own("")),
    ];
    for (case, is_own) in cases {
        assert!(!is_own, "{case}");
    }
}

#[test]
fn a_second_thread_that_crashed_must_be_httpds_own_too() {
    let second = "Thread 3 (Thread 0x1 (LWP 1)):\n#0  0x1 in kill ()\n#1  <signal handler called>\n#2  0x1 in x () \
                      from libmod_proxy_ajp_rs.so\n";
    assert!(!is_httpds_own(&format!("{IN_HANDLER}{second}")));
}

#[test]
fn a_crash_without_a_core_file_is_not_httpds_own() {
    let log = "AH00052: child pid 7 exit signal Segmentation fault (11)\n";
    let crashes = Crashes::of(log, Path::new("/bin/true"), None);
    assert_eq!((crashes.count(), crashes.are_httpds_own()), (1, false));
    assert!(Crashes::of("all well", Path::new("/bin/true"), None).are_httpds_own());
}

#[test]
fn the_core_files_of_the_parent_and_of_all_children_are_looked_at() {
    let cores = tempfile::tempdir().expect("a temporary directory");
    let line = "AH00051: child pid 7 exit signal Segmentation fault (11), possible coredump in x\n";
    for place in ["core", "7/core", "8/core"] {
        let file = cores.path().join(place);
        fs::create_dir_all(file.parent().expect("it is in one")).expect("it is ours");
        fs::write(file, "no stack").expect("it is ours");
    }
    fs::create_dir(cores.path().join("9")).expect("it is ours");
    let crashes = Crashes::of(&line.repeat(3), Path::new("/bin/true"), Some(cores.path()));
    let text = crashes.to_string();
    assert!(text.starts_with("3 crashes, 3 core files\n"), "{text}");
    assert!(!crashes.are_httpds_own());
}
