#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/task/app_priv.h"
#include "runtime/task/shell.h"

static ech_status reserve_one_more(ech_app_registry *registry)
{
    ech_app *grown = ech_grow(registry->apps, registry->count, &registry->capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    registry->apps = grown;
    return ECH_OK;
}

ech_status ech_app_registry_create(ech_app_registry **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_app_id shell = 0;
    const ech_status status = ech_app_register(*out, &ech_shell_app, &shell);
    if (status != ECH_OK) {
        ech_app_registry_destroy(out);
    }
    return status;
}

void ech_app_registry_destroy(ech_app_registry **registry)
{
    if (registry == NULL || *registry == NULL) {
        return;
    }
    for (size_t i = 0; i < (*registry)->count; i++) {
        ech_free((char *)(*registry)->apps[i].name);
    }
    ech_free((*registry)->apps);
    ech_free(*registry);
    *registry = NULL;
}

ech_status ech_app_find(const ech_app_registry *registry, const char *name, ech_app_id *out)
{
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->apps[i].name, name) == 0) {
            *out = (ech_app_id)i;
            return ECH_OK;
        }
    }
    return ech_fail(ECH_ERR_NOT_FOUND, "no app is named '%s'", name);
}

ech_status ech_app_register(ech_app_registry *registry, const ech_app *app, ech_app_id *out)
{
    if (app->name == NULL || app->name[0] == '\0' || strlen(app->name) >= ECH_APP_NAME_BYTES) {
        return ech_fail(ECH_ERR_ARGUMENT, "an app's name has 1 to %d bytes, not '%s'",
                        ECH_APP_NAME_BYTES - 1, app->name == NULL ? "" : app->name);
    }
    if (app->run == NULL || registry->count >= ECH_APPS_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "app '%s' has no function, or is one of too many",
                        app->name);
    }
    if (ech_app_find(registry, app->name, out) == ECH_OK) {
        return ech_fail(ECH_ERR_ARGUMENT, "an app named '%s' is registered already", app->name);
    }
    ech_status status = reserve_one_more(registry);
    if (status != ECH_OK) {
        return status;
    }
    char *name = ech_strdup(app->name);
    if (name == NULL) {
        return ECH_ERR_MEMORY;
    }
    registry->apps[registry->count] = *app;
    registry->apps[registry->count].name = name;
    *out = (ech_app_id)registry->count++;
    return ECH_OK;
}

const char *ech_app_name(const ech_app_registry *registry, ech_app_id app)
{
    return app < registry->count ? registry->apps[app].name : "";
}

ech_hash128 ech_app_fingerprint(const ech_app *app)
{
    struct {
        char name[ECH_APP_NAME_BYTES];
        uint64_t version, arguments_bytes_max, result_bytes_max;
    } what;
    memset(&what, 0, sizeof what);
    memcpy(what.name, app->name, strlen(app->name));
    what.version = app->version;
    what.arguments_bytes_max = app->arguments_bytes_max;
    what.result_bytes_max = app->result_bytes_max;
    return ech_hash_bytes(&what, sizeof what);
}
