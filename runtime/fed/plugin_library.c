#include "runtime/fed/plugin_library.h"

#include <dlfcn.h>
#include <stdio.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/fed/plugin_file.h"

enum { BLOCK_BYTES = 1 << 16 };

#define TEXT_OF(name) #name
#define SYMBOL_TEXT(name) TEXT_OF(name)

struct ech_plugin_library {
    void *handle;
    const ech_plugin *content;
    void *self;
    bool was_created;
    char description[ECH_PLUGIN_DESCRIPTION_BYTES];
};

static ech_status hash_file(const char *path, ech_hasher *hasher)
{
    char block[BLOCK_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read", path);
    }
    size_t bytes = 0;
    while ((bytes = fread(block, 1, sizeof block, file)) > 0) {
        ech_hasher_add(hasher, block, bytes);
    }
    const bool failed = ferror(file) != 0;
    fclose(file);
    return failed ? ech_fail(ECH_ERR_FILE, "%s: cannot be read", path) : ECH_OK;
}

static ech_status describe(ech_plugin_library *library, const char *path)
{
    ech_hasher *hasher = NULL;
    ech_status status = ech_hasher_create(&hasher);
    if (status == ECH_OK) {
        status = hash_file(path, hasher);
    }
    if (status == ECH_OK) {
        char text[ECH_HASH_TEXT_BYTES];
        ech_hash_text(ech_hasher_digest(hasher), text);
        snprintf(library->description, sizeof library->description, "plug-in xxh128 %s", text);
    }
    ech_hasher_destroy(&hasher);
    return status;
}

static ech_status load(ech_plugin_library *library, const char *path)
{
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library->handle == NULL) {
        return ech_fail(ECH_ERR_CONFIG, "cannot be loaded: %s", dlerror());
    }
    library->content = dlsym(library->handle, SYMBOL_TEXT(ECH_PLUGIN_SYMBOL));
    if (library->content == NULL) {
        return ech_fail(ECH_ERR_CONFIG, "%s is no plug-in: it exports no %s", path,
                        SYMBOL_TEXT(ECH_PLUGIN_SYMBOL));
    }
    if (library->content->version != ECH_PLUGIN_VERSION) {
        return ech_fail(ECH_ERR_CONFIG,
                        "%s is built for version %u of the plug-in interface, expected %u: build "
                        "it with this installation's runtime/fed/plugin.h",
                        path, library->content->version, ECH_PLUGIN_VERSION);
    }
    return ECH_OK;
}

static const char *find_missing(const ech_plugin *content)
{
    const ech_plugin_strategy *strategy = content->strategy;
    const ech_plugin_selection *selection = content->selection;
    const ech_plugin_trainer *trainer = content->trainer;
    const struct {
        bool is_missing;
        const char *name;
    } parts[] = {
        {strategy == NULL && selection == NULL && trainer == NULL,
         "strategy, selection or trainer"},
        {strategy != NULL && strategy->name == NULL, "strategy.name"},
        {strategy != NULL && strategy->step == NULL, "strategy.step"},
        {selection != NULL && selection->name == NULL, "selection.name"},
        {selection != NULL && selection->select == NULL, "selection.select"},
        {trainer != NULL && trainer->name == NULL, "trainer.name"},
        {trainer != NULL && trainer->tensors == NULL, "trainer.tensors"},
        {trainer != NULL && trainer->sample_count == NULL, "trainer.sample_count"},
        {trainer != NULL && trainer->train == NULL, "trainer.train"},
        {trainer != NULL && trainer->test_count != NULL && trainer->evaluate == NULL,
         "trainer.evaluate"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].is_missing) {
            return parts[i].name;
        }
    }
    return NULL;
}

static ech_status create_self(ech_plugin_library *library, const char *path, const char *options)
{
    const ech_plugin *content = library->content;
    const char *missing = find_missing(content);
    if (missing != NULL) {
        return ech_fail(ECH_ERR_CONFIG, "%s: the plug-in has no %s", path, missing);
    }
    char reason[ECH_PLUGIN_REASON_BYTES] = "it takes none";
    const bool accepts = content->create != NULL ? content->create(options != NULL ? options : "",
                                                                   &library->self, reason)
                                                 : options == NULL;
    library->was_created = accepts;
    if (accepts) {
        return ECH_OK;
    }
    reason[sizeof reason - 1] = '\0';
    return ech_fail(ECH_ERR_CONFIG, "%s: the plug-in refuses its options '%s': %s", path,
                    options != NULL ? options : "", reason);
}

ech_status ech_plugin_library_open(const char *path, const char *options, ech_plugin_library **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_plugin_file_check(path);
    if (status == ECH_OK) {
        status = describe(*out, path);
    }
    if (status == ECH_OK) {
        status = load(*out, path);
    }
    if (status == ECH_OK) {
        status = create_self(*out, path, options);
    }
    if (status != ECH_OK) {
        ech_plugin_library_close(out);
    }
    return status;
}

void ech_plugin_library_close(ech_plugin_library **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_plugin_library *library = *handle;
    if (library->was_created && library->content->destroy != NULL) {
        library->content->destroy(library->self);
    }
    if (library->handle != NULL) {
        dlclose(library->handle);
    }
    ech_free(library);
    *handle = NULL;
}

const ech_plugin *ech_plugin_library_content(const ech_plugin_library *library)
{
    return library->content;
}

void *ech_plugin_library_self(const ech_plugin_library *library)
{
    return library->self;
}

const char *ech_plugin_library_description(const ech_plugin_library *library)
{
    return library->description;
}
