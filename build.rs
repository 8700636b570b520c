//! Asks apxs where httpd's headers are and how it was compiled; then compiles `c_shim` and writes
//! the bindings. Does nothing without the feature `httpd`.
//!
//! `APXS` in the environment names another apxs, for a server that is not the system's.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for (name, _) in SWITCHES {
        println!("cargo::rustc-check-cfg=cfg({name})");
    }
    #[cfg(feature = "httpd")]
    httpd::build();
}

/// What not every httpd 2.4 has: a switch (`cfg`) of the crate, and the words in the bindings that
/// set it. Nothing else in the crate asks for a release.
const SWITCHES: [(&str, &str); 6] = [
    // Since 2.4.53: a worker's name of more than 95 bytes.
    ("httpd_has_name_ex", "pub name_ex: "),
    // Since 2.4.57: AllowEncodedSlashes NoDecode.
    ("httpd_has_canonenc_ex", "pub fn ajp_shim_canonenc_ex("),
    // Since 2.4.59: `addressttl`.
    ("httpd_has_address_ttl", "pub address_ttl: "),
    // Since 2.4.63: a connection that waits for what a module waits for, without a thread.
    ("httpd_has_waitio", "pub const AP_MPMQ_CAN_WAITIO: "),
    // trunk: a body of unknown length that no header announces (HTTP/2).
    ("httpd_has_body_indeterminate", "body_indeterminate"),
    // trunk: the path of a unix socket has a length of its own.
    ("httpd_has_socket_path_size", "pub const PROXY_WORKER_UDS_PATH_SIZE: "),
];

#[cfg(feature = "httpd")]
mod httpd {
    use std::env;
    use std::path::PathBuf;
    use std::process::Command;

    /// What the bindings hold. A name is listed because a file in `src/ffi` uses it.
    const FUNCTIONS: &[&str] = &[
        "ajp_shim_.*",
        "ap_add_common_vars",
        "ap_check_cmd_context",
        "ap_die",
        "ap_find_linked_module",
        "ap_get_brigade",
        "ap_get_client_block",
        "ap_get_conn_socket",
        "ap_get_server_name",
        "ap_get_useragent_host",
        "ap_hook_(check_config|child_init|child_status|child_stopping|handler|post_config)",
        "ap_hook_(pre_close_connection|pre_config|process_connection)",
        "ap_hook_(resume_connection|suspend_connection)",
        "ap_lookup_provider",
        "ap_map_http_request_error",
        "ap_mpm_query",
        "ap_os_escape_path",
        "ap_pass_brigade",
        "ap_process_request_after_handler",
        "ap_proxy_initialize_worker",
        "ap_proxy_post_request",
        "ap_proxy_pre_request",
        "ap_remove_output_filter",
        "ap_register_provider",
        "ap_request_has_body",
        "ap_retained_data_(create|get)",
        "ap_run_process_connection",
        "ap_rwrite",
        "ap_setup_client_block",
        "ap_should_client_block",
        "ap_state_query",
        "ap_update_child_status",
        "ap_proxy_backend_broke",
        "ap_proxy_balancer_get_best_worker",
        "ap_proxy_canon_netloc",
        "ap_proxy_canonenc",
        "ap_proxy_cookie_reverse_map",
        "ap_proxy_get_balancer",
        "ap_proxy_location_reverse_map",
        "ap_proxy_should_override",
        "ap_proxy_sync_balancer",
        "ap_proxyerror",
        "ap_server_root_relative",
        "ap_set_content_type",
        "ap_set_module_config",
        "ap_show_mpm",
        "ap_ssl_conn_is_ssl",
        "ap_ssl_var_lookup",
        "apr_brigade_cleanup",
        "apr_brigade_create",
        "apr_brigade_destroy",
        "apr_brigade_length",
        "apr_dynamic_fn_(register|retrieve)",
        "apr_optional_hook_add",
        "apr_os_sock_(get|make|put)",
        "apr_pool_cleanup_register",
        "apr_pool_cleanup_null",
        "apr_pool_pre_cleanup_register",
        "apr_pool_userdata_(get|set)",
        "apr_palloc",
        "apr_pstrmemdup",
        "apr_shm_baseaddr_get",
        "apr_shm_create",
        "apr_sockaddr_info_get",
        "apr_socket_timeout_set",
        "apr_strerror",
        "apr_table_addn",
        "apr_table_clear",
        "apr_table_elts",
        "apr_table_get",
        "apr_table_make",
        "apr_table_setn",
        "apr_table_unset",
        "apr_thread_mutex_(lock|unlock)",
        "apr_time_now",
        "apr_uri_parse",
        "proxy_hook_(canon_handler|post_request|pre_request|scheme_handler)",
        "proxy_run_(request_status|scheme_handler)",
    ];
    const TYPES: &[&str] = &[
        "ajp_shim_.*",
        "ap_listen_rec",
        "ap_HOOK_status_hook_t",
        "apr_OFN_(ajp_handle_cping_cpong|ap_proxy_retry_worker|set_worker_hc_param)_t",
        "apr_array_header_t",
        "core_dir_config",
        "enctype",
        "apr_os_sock_info_t",
        "apr_table_entry_t",
        "conn_rec",
        "module",
        "mpm_child_status",
        "proxy_HOOK_request_status_t",
        "proxy_balancer",
        "proxy_dir_conf",
        "proxy_server_conf",
        "proxy_worker",
        "proxy_worker_shared",
        "request_rec",
        "server_rec",
    ];
    const VARIABLES: &[&str] = &[
        "AJP_SHIM_.*",
        "ACCESS_CONF",
        "AP_FILTER_ERROR",
        "AP_SQ_(CONFIG_GEN|MAIN_STATE|MS_CREATE_PRE_CONFIG|RUN_MODE|RM_CONFIG_TEST)",
        "AP_MPMQ_(CAN_WAITIO|HARD_LIMIT_DAEMONS|IS_ASYNC|MAX_THREADS|MPM_STATE|STOPPING)",
        "APLOG_(ERR|WARNING|NOTICE|INFO|DEBUG|TRACE[1-8])",
        "APR_HOOK_(FIRST|LAST|MIDDLE|REALLY_FIRST|REALLY_LAST)",
        "APR_(SUCCESS|EGENERAL|EINVAL|TIMEUP|EOF|FAMILY.*|UNSPEC)",
        "ap_input_mode_t_.*",
        "conn_(state|sense)_e_.*",
        "apr_read_type_e_.*",
        "DECLINED",
        "DONE",
        "GLOBAL_ONLY",
        "HTTP_[A-Z_]+",
        "MODULE_MAGIC_(COOKIE|NUMBER_MAJOR|NUMBER_MINOR)",
        "NOT_IN_DIR_CONTEXT",
        "OK",
        "PROXY_WORKER_(IN_ERROR|HC_FAIL|IGNORE_ERRORS|NOT_USABLE_BITMAP|INITIALIZED|GENERIC|DISABLED|STOPPED|DRAIN|HOT_SPARE|HOT_STANDBY)",
        "PROXY_(BALANCER_MAX_(NAME|STICKY)|MAX_PROVIDER_NAME|RFC1035_HOSTNAME)_SIZE",
        "PROXY_CANONENC_NOENCODEDSLASHENCODING",
        "PROXY_FLUSH_WAIT",
        "PROXY_LBMETHOD",
        "PROXY_WORKER_(EXT_NAME|MAX_NAME|MAX_ROUTE|MAX_SCHEME|MAX_SECRET|UDS_PATH)_SIZE",
        "REMOTE_HOST",
        "REQUEST_CHUNKED_DECHUNK",
        "RSRC_CONF",
        "SERVER_BUSY_WRITE",
        "SUSPENDED",
        "AP_STATUS_SHORT",
        "ap_byterange_filter_handle",
        "ap_conftree",
        "ap_listeners",
        "ap_server_conf",
        "core_module",
        "proxy_module",
    ];

    pub fn build() {
        println!("cargo::rerun-if-env-changed=APXS");
        for file in ["shim.h", "shim.c"] {
            println!("cargo::rerun-if-changed=c_shim/{file}");
        }
        let apxs = Apxs::find();
        let flags: Vec<String> = ["CFLAGS", "EXTRA_CPPFLAGS", "EXTRA_CFLAGS", "EXTRA_INCLUDES"]
            .iter()
            .flat_map(|key| apxs.words(key))
            .chain([format!("-I{}", apxs.one("INCLUDEDIR"))])
            .collect();
        write_bindings(&flags);
        compile_shim(&flags);
        // Our own references to the module record stay inside the library, even if another module
        // with a global of that name was loaded earlier.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    }

    struct Apxs(String);

    impl Apxs {
        fn find() -> Self {
            let name = env::var("APXS").unwrap_or_else(|_| "apxs".into());
            match Command::new(&name).args(["-q", "INCLUDEDIR"]).output() {
                Ok(output) if output.status.success() => Self(name),
                _ => panic!(
                    "{name} does not answer: install httpd's development files (Debian: \
                     apache2-dev), or name another apxs in APXS, or build with \
                     --no-default-features"
                ),
            }
        }

        /// The value of a key; empty where this apxs does not know it.
        fn one(&self, key: &str) -> String {
            let output = Command::new(&self.0).args(["-q", key]).output();
            match output {
                Ok(o) if o.status.success() => String::from_utf8_lossy(&o.stdout).trim().into(),
                _ => String::new(),
            }
        }

        fn words(&self, key: &str) -> Vec<String> {
            self.one(key).split_whitespace().map(Into::into).collect()
        }
    }

    fn compile_shim(flags: &[String]) {
        let mut build = cc::Build::new();
        build.file("c_shim/shim.c").include("c_shim").pic(true).warnings(true);
        build.flag("-Wno-unused-parameter");
        for flag in flags {
            build.flag(flag);
        }
        build.flag("-std=gnu99").compile("ajp_shim");
    }

    fn write_bindings(flags: &[String]) {
        let mut bindings = bindgen::Builder::default()
            .header("c_shim/shim.h")
            // Preprocessor flags alone: libclang need not know the compiler's other options.
            .clang_args(flags.iter().filter(|f| f.starts_with("-I") || f.starts_with("-D")))
            .clang_args(["-D_GNU_SOURCE", "-DLINUX", "-D_REENTRANT"])
            .layout_tests(true)
            .derive_debug(false)
            .derive_copy(false)
            .generate_comments(false)
            .default_enum_style(bindgen::EnumVariation::Consts)
            .default_non_copy_union_style(bindgen::NonCopyUnionStyle::ManuallyDrop)
            .rust_target(bindgen::RustTarget::stable(85, 0).expect("1.85 is a stable Rust"))
            .rust_edition(bindgen::RustEdition::Edition2024);
        for name in FUNCTIONS {
            bindings = bindings.allowlist_function(name);
        }
        for name in TYPES {
            bindings = bindings.allowlist_type(name);
        }
        for name in VARIABLES {
            bindings = bindings.allowlist_var(name);
        }
        let bindings = bindings
            .generate()
            .expect("bindgen reads httpd's headers: is libclang-dev installed?")
            .to_string();
        // Where there is no rustfmt, the bindings have other spaces.
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        let text = squeezed(&bindings);
        let has = |words: &str| text.contains(&squeezed(words));
        let is_too_old = !has("pub fn ap_hook_child_stopping(");
        assert!(!is_too_old, "mod_proxy_ajp_rs needs httpd 2.4.49 or later");
        for (name, _) in super::SWITCHES.iter().filter(|(_, words)| has(words)) {
            println!("cargo::rustc-cfg={name}");
        }
        let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
        std::fs::write(out.join("httpd.rs"), bindings)
            .expect("the bindings can be written to OUT_DIR");
    }
}
