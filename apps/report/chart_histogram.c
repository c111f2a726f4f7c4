#include "apps/report/chart_histogram.h"

#include <math.h>

static const double least_s = 1e-9;
enum { BINS_DRAWN_AS_ONE = 4, GROUPS = ECH_HISTOGRAM_BINS / BINS_DRAWN_AS_ONE, SERIES_MAX = 64 };

static double bin_edge(size_t bin)
{
    return least_s * pow(10.0, (double)bin / ECH_HISTOGRAM_BINS_A_DECADE);
}

void ech_histogram_add(ech_histogram *histogram, double seconds)
{
    if (isnan(seconds)) {
        return;
    }
    const double at =
        seconds > least_s ? log10(seconds / least_s) * ECH_HISTOGRAM_BINS_A_DECADE : 0.0;
    const size_t bin = at < ECH_HISTOGRAM_BINS ? (size_t)at : ECH_HISTOGRAM_BINS - 1;
    histogram->counts[bin]++;
    histogram->total++;
}

double ech_histogram_quantile(const ech_histogram *histogram, double share)
{
    const double wanted = share * (double)histogram->total;
    double below = 0.0;
    for (size_t bin = 0; bin < ECH_HISTOGRAM_BINS; bin++) {
        const double count = (double)histogram->counts[bin];
        if (count > 0.0 && below + count >= wanted) {
            const double within = fmax(wanted - below, 0.0) / count;
            return bin_edge(bin) * pow(10.0, within / ECH_HISTOGRAM_BINS_A_DECADE);
        }
        below += count;
    }
    return NAN;
}

static uint64_t group_count(const ech_histogram *histogram, size_t group)
{
    uint64_t count = 0;
    for (size_t i = 0; i < BINS_DRAWN_AS_ONE; i++) {
        count += histogram->counts[group * BINS_DRAWN_AS_ONE + i];
    }
    return count;
}

static double group_share(const ech_histogram *histogram, size_t group)
{
    return histogram->total == 0 ? 0.0
                                 : (double)group_count(histogram, group) / (double)histogram->total;
}

static double group_edge(size_t group)
{
    return bin_edge(group * BINS_DRAWN_AS_ONE);
}

static void point(ech_buffer *out, const char *command, double at)
{
    ech_buffer_add(out, command);
    ech_buffer_coordinate(out, at);
}

static void draw_steps(const ech_frame *frame, const ech_histogram_series *series)
{
    ech_svg_group(frame->out, series->colour);
    ech_buffer_format(frame->out,
                      "<path fill-opacity=\"0.15\" stroke-width=\"1.5\" "
                      "stroke-dasharray=\"%s\" d=\"",
                      ech_svg_dashes(series->dashes));
    bool open = false;
    for (size_t group = 0; group <= GROUPS; group++) {
        const double share = group < GROUPS ? group_share(series->histogram, group) : 0.0;
        if (share == 0.0 && open) {
            point(frame->out, "V", frame->bottom);
            ech_buffer_add(frame->out, "Z");
        } else if (share > 0.0) {
            if (!open) {
                point(frame->out, "M", ech_scale_px(&frame->x, group_edge(group)));
                point(frame->out, " ", frame->bottom);
            }
            point(frame->out, "V", ech_scale_px(&frame->y, share));
            point(frame->out, "H", ech_scale_px(&frame->x, group_edge(group + 1)));
        }
        open = share > 0.0;
    }
    ech_buffer_add(frame->out, series->histogram->total == 0 ? "M0 0\"/>" : "\"/>");
    ech_svg_group_end(frame->out);
}

void ech_chart_histogram(ech_buffer *out, const ech_chart *chart,
                         const ech_histogram_series *series, size_t series_count)
{
    ech_range x = ech_range_empty();
    ech_range y = ech_range_empty();
    ech_key keys[SERIES_MAX];
    size_t key_count = 0;
    for (size_t i = 0; i < series_count; i++) {
        for (size_t group = 0; group < GROUPS; group++) {
            const double share = group_share(series[i].histogram, group);
            if (share > 0.0) {
                ech_range_add(&x, group_edge(group));
                ech_range_add(&x, group_edge(group + 1));
                ech_range_add(&y, share);
            }
        }
        if (key_count < SERIES_MAX) {
            keys[key_count++] =
                (ech_key){series[i].label, series[i].colour, series[i].dashes, ECH_KEY_LINE};
        }
    }
    ech_frame frame;
    ech_frame_open(&frame, out, chart, x, y, (ech_rows){0}, keys, key_count);
    for (size_t i = 0; i < series_count; i++) {
        draw_steps(&frame, &series[i]);
    }
    ech_frame_close(&frame);
}

void ech_csv_histogram(ech_buffer *out, const ech_histogram_series *series, size_t series_count)
{
    ech_buffer_add(out, "series,from_s,to_s,count\n");
    for (size_t i = 0; i < series_count; i++) {
        for (size_t group = 0; group < GROUPS; group++) {
            const uint64_t count = group_count(series[i].histogram, group);
            if (count > 0) {
                ech_buffer_csv(out, series[i].label);
                ech_buffer_format(out, ",%.6g,%.6g,%llu\n", group_edge(group),
                                  group_edge(group + 1), (unsigned long long)count);
            }
        }
    }
}
