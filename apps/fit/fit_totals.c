#include "apps/fit/fit_totals.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/json.h"
#include "runtime/base/memory.h"

ech_status ech_fit_totals_create(ech_fit_totals *totals, uint32_t tier_count, uint32_t ranks,
                                 uint32_t hosts)
{
    totals->tiers = ech_calloc(tier_count, sizeof *totals->tiers);
    totals->tier_count = tier_count;
    totals->ranks = ranks;
    totals->hosts = hosts;
    return totals->tiers != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

void ech_fit_totals_clear(ech_fit_totals *totals)
{
    ech_free(totals->tiers);
    totals->tiers = NULL;
}

static void add_bytes(ech_tier_bytes *sum, const ech_tier_bytes *more)
{
    sum->logical_up += more->logical_up;
    sum->logical_down += more->logical_down;
    sum->wire_up += more->wire_up;
    sum->wire_down += more->wire_down;
}

double ech_fit_wait_seconds(const ech_round_report *report, uint32_t ranks)
{
    double busy = 0.0;
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        busy += report->phase_seconds[phase];
    }
    return fmax(0.0, report->seconds - busy / ranks);
}

void ech_fit_totals_add(ech_fit_totals *totals, const ech_round_report *report, uint32_t epochs)
{
    totals->rounds = report->round;
    totals->left_out += report->selected + report->kept - report->late - report->contributed;
    totals->samples += report->samples * epochs;
    totals->round_seconds += report->seconds;
    totals->wait_seconds += ech_fit_wait_seconds(report, totals->ranks);
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        totals->phase_seconds[phase] += report->phase_seconds[phase] / totals->ranks;
    }
    for (uint32_t tier = 0; tier < totals->tier_count; tier++) {
        add_bytes(&totals->tiers[tier], &report->tiers[tier]);
    }
    if (report->evaluated) {
        totals->evaluated = true;
        totals->test_accuracy = report->test_accuracy;
        totals->test_loss = report->test_loss;
    }
}

ech_tier_bytes ech_fit_all_tiers(const ech_tier_bytes *tiers, uint32_t count)
{
    ech_tier_bytes sum = {0};
    for (uint32_t tier = 0; tier < count; tier++) {
        add_bytes(&sum, &tiers[tier]);
    }
    return sum;
}

static double samples_per_second(const ech_fit_totals *totals)
{
    return totals->round_seconds > 0.0 ? (double)totals->samples / totals->round_seconds : 0.0;
}

/* ---- the table ---- */

typedef struct {
    char text[32];
} bytes_text;

static bytes_text text_of(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double scaled = (double)bytes;
    unsigned unit = 0;
    while (scaled >= 1024.0 && unit + 1 < sizeof units / sizeof units[0]) {
        scaled /= 1024.0;
        unit++;
    }
    bytes_text out;
    snprintf(out.text, sizeof out.text, "%.*f %s", unit > 0 ? 2 : 0, scaled, units[unit]);
    return out;
}

static void print_tiers(const ech_fit_totals *totals)
{
    printf("\n  %-18s %14s %14s %14s %14s\n", "bytes by tier", "logical down", "logical up",
           "wire down", "wire up");
    for (uint32_t tier = 1; tier < totals->tier_count; tier++) {
        const ech_tier_bytes *bytes = &totals->tiers[tier];
        printf("  tier %-13u %14s %14s %14s %14s\n", tier, text_of(bytes->logical_down).text,
               text_of(bytes->logical_up).text, text_of(bytes->wire_down).text,
               text_of(bytes->wire_up).text);
    }
}

static void print_seconds(const ech_fit_totals *totals)
{
    printf("  %-18s total %.2f, of which start %.2f\n", "seconds", totals->total_seconds,
           totals->start_seconds);
    printf("  %-18s ", "a rank's mean");
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        printf("%s %.2f, ", ech_phase_name((ech_phase)phase), totals->phase_seconds[phase]);
    }
    printf("wait %.2f\n", totals->wait_seconds);
}

void ech_fit_totals_print(const ech_fit_totals *totals)
{
    printf("\n  %-18s %llu, on %u rank%s of %u host%s\n", "rounds",
           (unsigned long long)totals->rounds, totals->ranks, totals->ranks == 1 ? "" : "s",
           totals->hosts, totals->hosts == 1 ? "" : "s");
    if (totals->evaluated) {
        printf("  %-18s %.4f (loss %.4f)\n", "test accuracy", totals->test_accuracy,
               totals->test_loss);
    }
    if (totals->left_out > 0) {
        printf("  %-18s %llu updates, as the warnings say\n", "left out",
               (unsigned long long)totals->left_out);
    }
    print_seconds(totals);
    printf("  %-18s %.0f\n", "samples/s", samples_per_second(totals));
    printf("  %-18s %s (largest rank); at the end all ranks of a host %s\n", "peak memory",
           text_of(totals->peak_rss_bytes).text, text_of(totals->host_pss_bytes).text);
    print_tiers(totals);
    putchar('\n');
    if (totals->checkpoint_path != NULL) {
        printf("checkpoint %s\n", totals->checkpoint_path);
    }
    printf("run record %s\n", totals->record_path);
    char text[ECH_HASH_TEXT_BYTES];
    ech_hash_text(totals->model_hash, text);
    printf("model xxh128 %s\n", text);
}

/* ---- JSON ---- */

static void write_seconds(ech_json *json, const ech_fit_totals *totals)
{
    ech_json_begin_object(json, "seconds");
    ech_json_real(json, "total", totals->total_seconds);
    ech_json_real(json, "start", totals->start_seconds);
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        ech_json_real(json, ech_phase_name((ech_phase)phase), totals->phase_seconds[phase]);
    }
    ech_json_real(json, "wait", totals->wait_seconds);
    ech_json_end_object(json);
}

static uint64_t direction_of(const ech_tier_bytes *bytes, bool wire, bool up)
{
    if (wire) {
        return up ? bytes->wire_up : bytes->wire_down;
    }
    return up ? bytes->logical_up : bytes->logical_down;
}

static void write_bytes(ech_json *json, const ech_fit_totals *totals, const char *name, bool wire)
{
    const ech_tier_bytes sum = ech_fit_all_tiers(totals->tiers, totals->tier_count);
    ech_json_begin_object(json, name);
    ech_json_unsigned(json, "up", direction_of(&sum, wire, true));
    ech_json_unsigned(json, "down", direction_of(&sum, wire, false));
    ech_json_begin_list(json, "tiers");
    for (uint32_t tier = 1; tier < totals->tier_count; tier++) {
        ech_json_begin_object(json, NULL);
        ech_json_unsigned(json, "tier", tier);
        ech_json_unsigned(json, "up", direction_of(&totals->tiers[tier], wire, true));
        ech_json_unsigned(json, "down", direction_of(&totals->tiers[tier], wire, false));
        ech_json_end_object(json);
    }
    ech_json_end_list(json);
    ech_json_end_object(json);
}

ech_status ech_fit_totals_write_json(const ech_fit_totals *totals)
{
    ech_json json = ech_json_writer(stdout);
    char text[ECH_HASH_TEXT_BYTES];
    ech_hash_text(totals->model_hash, text);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "model_xxh128", text);
    ech_json_unsigned(&json, "rounds", totals->rounds);
    ech_json_real(&json, "test_accuracy", totals->evaluated ? totals->test_accuracy : NAN);
    ech_json_real(&json, "test_loss", totals->evaluated ? totals->test_loss : NAN);
    write_seconds(&json, totals);
    ech_json_real(&json, "samples_per_second", samples_per_second(totals));
    ech_json_begin_object(&json, "bytes");
    write_bytes(&json, totals, "logical", false);
    write_bytes(&json, totals, "wire", true);
    ech_json_end_object(&json);
    ech_json_unsigned(&json, "peak_rss_bytes", totals->peak_rss_bytes);
    ech_json_unsigned(&json, "host_pss_bytes", totals->host_pss_bytes);
    ech_json_unsigned(&json, "ranks", totals->ranks);
    ech_json_unsigned(&json, "hosts", totals->hosts);
    ech_json_text(&json, "checkpoint", totals->checkpoint_path);
    ech_json_text(&json, "run_record", totals->record_path);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}
