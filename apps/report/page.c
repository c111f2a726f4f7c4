#include "apps/report/page.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/report/picture_file.h"
#include "apps/report/svg.h"
#include "runtime/base/memory.h"

enum { PATH_BYTES = 4096 };

struct ech_page {
    char directory[PATH_BYTES];
    char path[PATH_BYTES + 16];
    ech_buffer contents; /* links to the sections */
    ech_buffer body;
    char title[256];
    unsigned sections;
    bool folded; /* the open table is */
};

static const char page_style[] =
    ":root{color-scheme:light dark;--ink:#1a1a1a;--muted:#666;--line:#e4e4e4;--paper:#fff;"
    "--link:#0072b2}"
    "@media(prefers-color-scheme:dark){:root{--ink:#ededed;--muted:#a6a6a6;--line:#363a40;"
    "--paper:#16181c;--link:#4aa8e0}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:28px 24px 64px;max-width:1600px;background:var(--paper);"
    "color:var(--ink);font:15px/1.5 'Helvetica Neue',Helvetica,Arial,'Liberation Sans',"
    "sans-serif}"
    "h1{font-size:26px;line-height:1.2;margin:0 0 6px}"
    "h2{font-size:18px;margin:40px 0 12px;padding-top:12px;border-top:2px solid var(--ink)}"
    "p{max-width:75ch;margin:0 0 12px;color:var(--muted)}"
    "nav{margin:10px 0 0}nav a{margin-right:16px}"
    "a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}"
    ".pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,700px),1fr));"
    "gap:20px 28px;align-items:start}"
    "figure{margin:0;min-width:0}figure svg{display:block;width:100%;height:auto}"
    "figcaption{font-size:12px;color:var(--muted);padding:2px 0 0 14px}"
    "figcaption a{margin-right:10px}"
    ".table{overflow-x:auto;margin:0 0 18px;grid-column:1/-1}"
    "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;font-weight:bold;padding:6px 0;white-space:nowrap}"
    "th,td{padding:4px 14px 4px 0;border-bottom:1px solid var(--line);text-align:right;"
    "vertical-align:top;white-space:nowrap}"
    "thead th{border-bottom:1px solid var(--ink);font-weight:bold}"
    "th:first-child{text-align:left}tbody th{font-weight:normal}"
    "details{margin:0 0 14px;grid-column:1/-1}summary{cursor:pointer;font-weight:bold;"
    "font-size:13px}"
    "@media print{body{font-size:11px;padding:0}figure{break-inside:avoid}nav{display:none}}";

static ech_status make_directory(const char *path)
{
    char made[PATH_BYTES];
    snprintf(made, sizeof made, "%s", path);
    for (char *at = made + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            (void)mkdir(made, 0777); /* the last one tells whether it worked */
            *at = '/';
        }
    }
    struct stat found;
    if (mkdir(made, 0777) != 0 && (stat(made, &found) != 0 || !S_ISDIR(found.st_mode))) {
        return ech_fail(ECH_ERR_FILE, "cannot make the directory %s: %s", path, strerror(errno));
    }
    return ECH_OK;
}

ech_status ech_page_create(const char *directory, const char *title, ech_page **out)
{
    *out = NULL;
    if (strlen(directory) >= PATH_BYTES) {
        return ech_fail(ECH_ERR_FILE, "the path of the directory is too long: %s", directory);
    }
    const ech_status made = make_directory(directory);
    if (made != ECH_OK) {
        return made;
    }
    ech_page *page = ech_calloc(1, sizeof *page);
    if (page == NULL) {
        return ECH_ERR_MEMORY;
    }
    snprintf(page->directory, sizeof page->directory, "%s", directory);
    snprintf(page->path, sizeof page->path, "%s/report.html", directory);
    snprintf(page->title, sizeof page->title, "%s", title);
    *out = page;
    return ECH_OK;
}

void ech_page_destroy(ech_page **page)
{
    if (page == NULL || *page == NULL) {
        return;
    }
    ech_buffer_clear(&(*page)->contents);
    ech_buffer_clear(&(*page)->body);
    ech_free(*page);
    *page = NULL;
}

static void end_section(ech_page *page)
{
    ech_buffer_add(&page->body, page->sections > 0 ? "</div></section>\n" : "");
}

void ech_page_section(ech_page *page, const char *title)
{
    end_section(page);
    page->sections++;
    ech_buffer_format(&page->contents, "<a href=\"#s%u\">", page->sections);
    ech_buffer_escape(&page->contents, title);
    ech_buffer_add(&page->contents, "</a>");
    ech_buffer_format(&page->body, "<section id=\"s%u\"><h2>", page->sections);
    ech_buffer_escape(&page->body, title);
    ech_buffer_add(&page->body, "</h2><div class=\"pictures\">\n");
}

void ech_page_paragraph(ech_page *page, const char *text)
{
    ech_buffer_add(&page->body, "<p style=\"grid-column:1/-1\">");
    ech_buffer_escape(&page->body, text);
    ech_buffer_add(&page->body, "</p>\n");
}

static ech_status write_files(const ech_page *page, const char *name, const ech_buffer *svg,
                              const ech_buffer *csv)
{
    char path[PATH_BYTES + 128];
    snprintf(path, sizeof path, "%s/%s.svg", page->directory, name);
    const ech_status written = ech_picture_write(svg, path);
    if (written != ECH_OK) {
        return written;
    }
    snprintf(path, sizeof path, "%s/%s.csv", page->directory, name);
    return ech_buffer_write(csv, path);
}

ech_status ech_page_picture(ech_page *page, const char *name, ech_buffer *svg, ech_buffer *csv)
{
    ech_status status = svg->status != ECH_OK ? svg->status : csv->status;
    if (status == ECH_OK) {
        status = write_files(page, name, svg, csv);
    }
    if (status == ECH_OK) {
        ech_buffer_format(&page->body, "<figure id=\"%s\">", name);
        ech_buffer_add_bytes(&page->body, svg->bytes, svg->length);
        ech_buffer_format(&page->body,
                          "<figcaption><a href=\"%s.svg\">SVG</a><a href=\"%s.csv\">CSV</a>"
                          "</figcaption></figure>\n",
                          name, name);
    }
    ech_buffer_clear(svg);
    ech_buffer_clear(csv);
    return status;
}

void ech_page_table_open(ech_page *page, const char *caption, bool folded, const char *const *heads,
                         size_t head_count)
{
    page->folded = folded;
    if (folded) {
        ech_buffer_add(&page->body, "<details><summary>");
        ech_buffer_escape(&page->body, caption);
        ech_buffer_add(&page->body, "</summary>");
    }
    ech_buffer_add(&page->body, "<div class=\"table\"><table>");
    if (!folded) {
        ech_buffer_add(&page->body, "<caption>");
        ech_buffer_escape(&page->body, caption);
        ech_buffer_add(&page->body, "</caption>");
    }
    ech_buffer_add(&page->body, "<thead><tr>");
    for (size_t i = 0; i < head_count; i++) {
        ech_buffer_add(&page->body, "<th scope=\"col\">");
        ech_buffer_escape(&page->body, heads[i]);
        ech_buffer_add(&page->body, "</th>");
    }
    ech_buffer_add(&page->body, "</tr></thead><tbody>\n");
}

void ech_page_row_open(ech_page *page, const char *head)
{
    ech_buffer_add(&page->body, "<tr><th scope=\"row\">");
    ech_buffer_escape(&page->body, head);
    ech_buffer_add(&page->body, "</th>");
}

void ech_page_cell(ech_page *page, const char *text)
{
    ech_buffer_add(&page->body, "<td>");
    ech_buffer_escape(&page->body, text);
    ech_buffer_add(&page->body, "</td>");
}

void ech_page_row_close(ech_page *page)
{
    ech_buffer_add(&page->body, "</tr>\n");
}

void ech_page_table_close(ech_page *page)
{
    ech_buffer_add(&page->body, "</tbody></table></div>");
    ech_buffer_add(&page->body, page->folded ? "</details>\n" : "\n");
}

const char *ech_page_path(const ech_page *page)
{
    return page->path;
}

ech_status ech_page_finish(ech_page *page)
{
    end_section(page);
    ech_buffer html = {0};
    ech_buffer_add(&html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                          "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>");
    ech_buffer_escape(&html, page->title);
    ech_buffer_format(&html, "</title>\n<style>%s%s</style>\n</head>\n<body>\n<h1>", page_style,
                      ech_svg_style());
    ech_buffer_escape(&html, page->title);
    ech_buffer_add(&html, "</h1>\n<nav>");
    ech_buffer_add_bytes(&html, page->contents.bytes, page->contents.length);
    ech_buffer_add(&html, "</nav>\n");
    ech_buffer_add_bytes(&html, page->body.bytes, page->body.length);
    ech_buffer_add(&html, "</body>\n</html>\n");
    ech_status status = page->body.status != ECH_OK ? page->body.status : page->contents.status;
    if (status == ECH_OK) {
        status = ech_buffer_write(&html, page->path);
    }
    ech_buffer_clear(&html);
    return status;
}
