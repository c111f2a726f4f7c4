#include "apps/report/picture_file.h"

#include <string.h>
#include <unistd.h>

#include "apps/report/svg.h"
#include "runtime/base/child.h"

static const uint64_t conversion_timeout_ns = 60000000000U;

/* The style sheet goes behind the opening tag, which is the picture's first line. */
static ech_status write_svg(const ech_buffer *svg, const char *path)
{
    if (svg->status != ECH_OK) {
        return svg->status;
    }
    const char *rest = strchr(svg->bytes, '\n') + 1;
    ech_buffer file = {0};
    ech_buffer_add(&file, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    ech_buffer_add_bytes(&file, svg->bytes, (size_t)(rest - svg->bytes));
    ech_buffer_format(&file, "<style>%s</style>\n", ech_svg_style());
    ech_buffer_add(&file, rest);
    const ech_status status = ech_buffer_write(&file, path);
    ech_buffer_clear(&file);
    return status;
}

static ech_status convert(const char *svg_path, const char *path)
{
    const char *const arguments[] = {"rsvg-convert", "--zoom", "2", "--output",
                                     path,           svg_path, NULL};
    const ech_child_options options = {
        .arguments = arguments, .timeout_ns = conversion_timeout_ns, .output_bytes_max = 4096};
    ech_child_result result = {0};
    ech_status status = ech_child_run(&options, &result);
    if (status == ECH_ERR_SYSTEM) {
        status = ech_fail(ECH_ERR_UNSUPPORTED,
                          "rsvg-convert (Debian: librsvg2-bin) is needed for %s and cannot be run; "
                          "name a file .svg instead",
                          path);
    } else if (status == ECH_OK && result.timed_out) {
        status = ech_fail(ECH_ERR_TIMEOUT, "rsvg-convert took more than a minute for %s", path);
    } else if (status == ECH_OK && result.exit_code != 0) {
        status = ech_fail(ECH_ERR_FILE, "rsvg-convert could not make %s: %s", path,
                          result.errors != NULL ? result.errors : "");
    }
    ech_child_result_free(&result);
    return status;
}

static ech_status write_png(const ech_buffer *svg, const char *path)
{
    ech_buffer svg_path = {0};
    ech_buffer_format(&svg_path, "%s.svg", path);
    ech_status status =
        svg_path.status == ECH_OK ? write_svg(svg, svg_path.bytes) : svg_path.status;
    if (status == ECH_OK) {
        status = convert(svg_path.bytes, path);
        (void)unlink(svg_path.bytes);
    }
    ech_buffer_clear(&svg_path);
    return status;
}

ech_status ech_picture_write(const ech_buffer *svg, const char *path)
{
    const char *ending = strrchr(path, '.');
    if (ending != NULL && strcmp(ending, ".svg") == 0) {
        return write_svg(svg, path);
    }
    if (ending != NULL && strcmp(ending, ".png") == 0) {
        return write_png(svg, path);
    }
    return ech_fail(ECH_ERR_CONFIG, "%s: expected a file name that ends in .svg or .png", path);
}
