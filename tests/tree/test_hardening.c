/* The program is built so that an error in memory is hard to use: SECURITY.md says how. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *image;
static const Elf64_Ehdr *head;

static void load(void)
{
    FILE *file = fopen(ECH_BUILD_DIR "/bin/echelon", "rb");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    const long bytes = ftell(file);
    cr_assert_gt(bytes, (long)sizeof(Elf64_Ehdr));
    rewind(file);
    image = malloc((size_t)bytes);
    cr_assert_not_null(image);
    cr_assert_eq(fread(image, 1, (size_t)bytes, file), (size_t)bytes);
    fclose(file);
    head = (const Elf64_Ehdr *)(const void *)image;
    cr_assert_eq(memcmp(head->e_ident, ELFMAG, SELFMAG), 0);
}

static void unload(void)
{
    free(image);
}

TestSuite(hardening, .init = load, .fini = unload);

static const Elf64_Phdr *segment(uint32_t type)
{
    const Elf64_Phdr *all = (const Elf64_Phdr *)(const void *)(image + head->e_phoff);
    for (size_t i = 0; i < head->e_phnum; i++) {
        if (all[i].p_type == type) {
            return &all[i];
        }
    }
    return NULL;
}

static uint64_t dynamic_value(int64_t tag)
{
    const Elf64_Phdr *dynamic = segment(PT_DYNAMIC);
    cr_assert_not_null(dynamic);
    const Elf64_Dyn *all = (const Elf64_Dyn *)(const void *)(image + dynamic->p_offset);
    for (size_t i = 0; all[i].d_tag != DT_NULL; i++) {
        if (all[i].d_tag == tag) {
            return all[i].d_un.d_val;
        }
    }
    return 0;
}

Test(hardening, it_is_loaded_at_a_random_address)
{
    cr_expect_eq(head->e_type, ET_DYN);
    cr_expect(dynamic_value(DT_FLAGS_1) & DF_1_PIE);
}

Test(hardening, no_page_is_both_written_and_run)
{
    const Elf64_Phdr *all = (const Elf64_Phdr *)(const void *)(image + head->e_phoff);
    cr_assert_not_null(segment(PT_GNU_STACK));
    for (size_t i = 0; i < head->e_phnum; i++) {
        if (all[i].p_type == PT_LOAD || all[i].p_type == PT_GNU_STACK) {
            cr_expect_neq(all[i].p_flags & (PF_W | PF_X), PF_W | PF_X, "segment %zu", i);
        }
    }
}

Test(hardening, addresses_of_functions_are_bound_at_start_and_read_only)
{
    cr_expect_not_null(segment(PT_GNU_RELRO));
    cr_expect(dynamic_value(DT_FLAGS_1) & DF_1_NOW);
}

static bool uses(const char *symbol)
{
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(image + head->e_shoff);
    for (size_t i = 0; i < head->e_shnum; i++) {
        if (sections[i].sh_type != SHT_DYNSYM) {
            continue;
        }
        const char *names = (const char *)image + sections[sections[i].sh_link].sh_offset;
        const Elf64_Sym *symbols = (const Elf64_Sym *)(const void *)(image + sections[i].sh_offset);
        for (size_t s = 0; s < sections[i].sh_size / sizeof *symbols; s++) {
            if (strcmp(names + symbols[s].st_name, symbol) == 0) {
                return true;
            }
        }
    }
    return false;
}

Test(hardening, overruns_of_buffers_are_met)
{
    cr_expect(uses("__stack_chk_fail"));
#if _FORTIFY_SOURCE > 0
    cr_expect(uses("__snprintf_chk") || uses("__vsnprintf_chk"));
#endif
}
