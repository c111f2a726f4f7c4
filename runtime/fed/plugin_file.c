#define _GNU_SOURCE
#include "runtime/fed/plugin_file.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef ElfW(Ehdr) file_header;
typedef ElfW(Phdr) segment_header;

typedef struct {
    const char *path;
    FILE *file;
    uint64_t bytes;
} object;

static ech_status refuse_kind(const object *plugin)
{
    return ech_fail(ECH_ERR_CONFIG, "%s is no shared object of this machine's kind", plugin->path);
}

static ech_status refuse_length(const object *plugin, const char *what)
{
    return ech_fail(ECH_ERR_CONFIG, "%s is cut short: %s end behind its %llu bytes", plugin->path,
                    what, (unsigned long long)plugin->bytes);
}

static bool is_native(const file_header *header)
{
    const unsigned char class = __ELF_NATIVE_CLASS == 64 ? ELFCLASS64 : ELFCLASS32;
    const unsigned char order =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == class &&
           header->e_ident[EI_DATA] == order && header->e_type == ET_DYN &&
           header->e_phentsize == sizeof(segment_header);
}

static bool is_inside(uint64_t first, uint64_t count, uint64_t bytes)
{
    return first <= bytes && count <= bytes - first;
}

static ech_status check_segments(const object *plugin, const file_header *header)
{
    bool has_content = false;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        segment_header segment;
        if (fread(&segment, sizeof segment, 1, plugin->file) != 1) {
            return ech_fail(ECH_ERR_FILE, "%s: cannot be read", plugin->path);
        }
        if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC) {
            continue;
        }
        if (!is_inside(segment.p_offset, segment.p_filesz, plugin->bytes)) {
            return refuse_length(plugin, "its segments");
        }
        has_content = has_content || segment.p_type == PT_LOAD;
    }
    return has_content ? ECH_OK : refuse_kind(plugin);
}

static ech_status check_headers(const object *plugin)
{
    file_header header;
    if (plugin->bytes < sizeof header || fread(&header, sizeof header, 1, plugin->file) != 1 ||
        !is_native(&header)) {
        return refuse_kind(plugin);
    }
    const uint64_t table_bytes = (uint64_t)header.e_phnum * sizeof(segment_header);
    if (!is_inside(header.e_phoff, table_bytes, plugin->bytes)) {
        return refuse_length(plugin, "its headers");
    }
    if (fseeko(plugin->file, (off_t)header.e_phoff, SEEK_SET) != 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read", plugin->path);
    }
    return check_segments(plugin, &header);
}

ech_status ech_plugin_file_check(const char *path)
{
    struct stat facts;
    object plugin = {.path = path, .file = fopen(path, "rbe")};
    if (plugin.file == NULL || fstat(fileno(plugin.file), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        if (plugin.file != NULL) {
            fclose(plugin.file);
        }
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read", path);
    }
    plugin.bytes = (uint64_t)facts.st_size;
    const ech_status status = check_headers(&plugin);
    fclose(plugin.file);
    return status;
}
