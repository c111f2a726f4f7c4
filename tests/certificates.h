/**
 * @file certificates.h
 * Certificates of a test's own, made by libcrypto.
 */
#ifndef ECH_TESTS_CERTIFICATES_H
#define ECH_TESTS_CERTIFICATES_H

/** Seconds are from now. */
typedef struct {
    const char *name;   /* of its files, NAME.crt and NAME.key, and of who it is for */
    const char *signer; /* NAME of an authority; NULL: itself, an authority */
    const char *hosts;  /* as in "IP:127.0.0.1,DNS:localhost"; NULL: none */
    long begins_s;
    long ends_s;
} test_certificate;

/** Make its files in a folder; the key's is its owner's alone. Ends the test on failure. */
void certificate_make(const char *folder, const test_certificate *what);

#endif
