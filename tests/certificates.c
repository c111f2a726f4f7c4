#define _POSIX_C_SOURCE 200809L
#include "tests/certificates.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support.h"

enum { PATH_BYTES = ECH_TEST_PATH_BYTES + 64, VERSION_3 = 2 };

static FILE *open_file(const char *folder, const char *name, const char *ending, const char *mode)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, ending);
    const int flags = mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
    FILE *file = fdopen(open(path, flags | O_CLOEXEC, S_IRUSR | S_IWUSR), mode);
    cr_assert_not_null(file, "cannot open %s", path);
    return file;
}

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    cr_assert_eq(EVP_PKEY_keygen_init(context), 1);
    cr_assert_eq(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1), 1);
    cr_assert_eq(EVP_PKEY_keygen(context, &key), 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static void extend(X509 *made, X509 *signer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, signer, made, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    cr_assert_not_null(extension, "no extension for %s", value);
    cr_assert_eq(X509_add_ext(made, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *fill(const test_certificate *what, EVP_PKEY *key)
{
    static long serial = 0;
    X509 *made = X509_new();
    cr_assert_not_null(made);
    X509_set_version(made, VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), what->begins_s);
    X509_gmtime_adj(X509_getm_notAfter(made), what->ends_s);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                               (const unsigned char *)what->name, -1, -1, 0);
    return made;
}

static void sign(const char *folder, const test_certificate *what, X509 *made, EVP_PKEY *key)
{
    X509 *signer = made;
    EVP_PKEY *signing = key;
    if (what->signer != NULL) {
        FILE *file = open_file(folder, what->signer, ".crt", "r");
        signer = PEM_read_X509(file, NULL, NULL, NULL);
        fclose(file);
        file = open_file(folder, what->signer, ".key", "r");
        signing = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        fclose(file);
    }
    X509_set_issuer_name(made, X509_get_subject_name(signer));
    extend(made, signer, NID_basic_constraints,
           what->signer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (what->hosts != NULL) {
        extend(made, signer, NID_subject_alt_name, what->hosts);
    }
    cr_assert_gt(X509_sign(made, signing, EVP_sha256()), 0);
    if (what->signer != NULL) {
        X509_free(signer);
        EVP_PKEY_free(signing);
    }
}

void certificate_make(const char *folder, const test_certificate *what)
{
    EVP_PKEY *key = make_key();
    X509 *made = fill(what, key);
    sign(folder, what, made, key);
    FILE *file = open_file(folder, what->name, ".crt", "w");
    cr_assert_eq(PEM_write_X509(file, made), 1);
    fclose(file);
    file = open_file(folder, what->name, ".key", "w");
    cr_assert_eq(PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(made);
    EVP_PKEY_free(key);
}
