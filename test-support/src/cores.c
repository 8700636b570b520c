/* Gives each child a directory of its own for its core file, in CoreDumpDirectory: where the kernel names all of them
 * "core", the file of one child would take the place of another's. */
#include <sys/stat.h>
#include <unistd.h>

#include "httpd.h"
#include "http_config.h"
#include "mpm_common.h"
#include "apr_strings.h"

static void child_init(apr_pool_t *p, server_rec *s)
{
    const char *own = apr_psprintf(p, "%s/%ld", ap_coredump_dir, (long)getpid());

    if (mkdir(own, 0700) == 0) {
        apr_cpystrn(ap_coredump_dir, own, sizeof(ap_coredump_dir));
    }
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

module AP_MODULE_DECLARE_DATA test_cores_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
