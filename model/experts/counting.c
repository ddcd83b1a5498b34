/* Counts one picture for statistics and hash; model/experts/counting.py says what each number is,
 * and counts the same with NumPy.
 *
 * Plain loops over bytes, written so that a compiler turns them into vectors: over a long, as an int
 * that may wrap (Python's own flags have it so) cannot be told from a place in memory. Without
 * Python's headers, and called by ctypes (model/experts/compiled.py): a compiler is all it takes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t byte;

/* MOST: of a side; so no count of a quarter of the pixels, and no sum of a column, leaves 16 bits. */
enum { MOST = 448, GRID = 32, NEAR = 16, APART = 24, BINS = 1 << 15 };
/* Histograms, one after the other, then single numbers. */
enum { BESIDE, INSIDE, SATURATION, RANGES, QUARTER, HISTOGRAMS };
enum {
    RED, GREEN, BLUE, STILL, FAINT, SHADED, EDGED, ACROSS, DOWN, COARSE_STILL, COARSE_EDGES, COARSE,
    MIRRORED, UPENDED, GROUND_RED, GROUND_GREEN, GROUND_BLUE, BORDER, LEVEL, TURNS_X, TURNS_Y, APART_SUM,
    SINGLES
};

/* On x86 once more for wider vectors; the loader chooses. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define VECTORS
#endif

static inline byte mean_of(byte a, byte b) { return (byte)((a + b + 1) >> 1); }
static inline byte gap(byte a, byte b) { return a > b ? a - b : b - a; }

/* Red, green and blue apart, their sums, and brightness: R/4 + G/2 + B/4. */
VECTORS
static void split(const byte *row, int w, byte *r, byte *g, byte *b, byte *luma, int64_t *sums)
{
    uint32_t red = 0, green = 0, blue = 0;
    for (long x = 0; x < w; x++) {
        r[x] = row[3 * x];
        g[x] = row[3 * x + 1];
        b[x] = row[3 * x + 2];
    }
    for (long x = 0; x < w; x++)
        luma[x] = mean_of(mean_of(r[x], b[x]), g[x]);
    for (long x = 0; x < w; x++) red += r[x];
    for (long x = 0; x < w; x++) green += g[x];
    for (long x = 0; x < w; x++) blue += b[x];
    sums[0] += red;
    sums[1] += green;
    sums[2] += blue;
}

/* Means of 2 x 2: of two rows first, then of two columns; `row` is room for one. */
VECTORS
static void halve(const byte *from, int h, int w, byte *to, byte *row)
{
    for (int y = 0; y < h / 2; y++) {
        const byte *a = from + 2 * y * w, *b = a + w;
        for (long x = 0; x < w / 2 * 2; x++)
            row[x] = mean_of(a[x], b[x]);
        for (long x = 0; x < w / 2; x++)
            to[y * (w / 2) + x] = mean_of(row[2 * x], row[2 * x + 1]);
    }
}

/* Of each cell of the grid the sum of the pixels under it, each by its overlap in GRID x GRID-ths. */
VECTORS
static void cells(const byte *luma, int h, int w, int64_t *grid)
{
    uint32_t band[MOST];
    for (int j = 0; j < GRID; j++) {
        memset(band, 0, w * sizeof *band);
        for (int y = j * h / GRID; y < h && y * GRID < (j + 1) * h; y++) {
            int first = y * GRID > j * h ? y * GRID : j * h;
            int last = (y + 1) * GRID < (j + 1) * h ? (y + 1) * GRID : (j + 1) * h;
            uint32_t weight = last - first;
            const byte *row = luma + y * w;
            for (long x = 0; x < w; x++) band[x] += weight * row[x];
        }
        for (int i = 0; i < GRID; i++) {
            int64_t sum = 0;
            for (int x = i * w / GRID; x < w && x * GRID < (i + 1) * w; x++) {
                int first = x * GRID > i * w ? x * GRID : i * w;
                int last = (x + 1) * GRID < (i + 1) * w ? (x + 1) * GRID : (i + 1) * w;
                sum += (int64_t)(last - first) * band[x];
            }
            grid[j * GRID + i] = sum;
        }
    }
}

typedef struct {
    byte below[4][MOST]; /* by place in the row, of at most 255 rows */
    int rows;
    int64_t counts[4], sum;
} Steps;

static void flush(Steps *to)
{
    for (int i = 0; i < 4; i++)
        for (long x = 0; x < MOST; x++) to->counts[i] += to->below[i][x];
    memset(to->below, 0, sizeof to->below);
    to->rows = 0;
}

/* Steps from one row of n to another, below each of four limits. */
VECTORS
static void walk(const byte *a, const byte *b, int n, const byte *limits, Steps *to)
{
    const byte first = limits[0], second = limits[1], third = limits[2], fourth = limits[3];
    byte *restrict c0 = to->below[0], *restrict c1 = to->below[1];
    byte *restrict c2 = to->below[2], *restrict c3 = to->below[3];
    uint32_t sum = 0;
    for (long x = 0; x < n; x++) sum += abs(a[x] - b[x]);
    for (long x = 0; x < n; x++) {
        byte step = gap(a[x], b[x]);
        c0[x] += step < first;
        c1[x] += step < second;
        c2[x] += step < third;
        c3[x] += step < fourth;
    }
    to->sum += sum;
    if (++to->rows == 255) flush(to);
}

/* Greatest minus least of each 8 x 8; what the blocks do not cover lies evenly at the sides. */
VECTORS
static void block_ranges(const byte *luma, int h, int w, int64_t *histogram)
{
    int across = w / 8, top = (h - h / 8 * 8) / 2, left = (w - across * 8) / 2;
    byte high[MOST], low[MOST];
    for (int block = 0; block < h / 8; block++) {
        const byte *row = luma + (top + 8 * block) * w + left;
        memcpy(high, row, 8 * across);
        memcpy(low, row, 8 * across);
        for (int y = 1; y < 8; y++) {
            row += w;
            for (long x = 0; x < 8 * across; x++) high[x] = row[x] > high[x] ? row[x] : high[x];
            for (long x = 0; x < 8 * across; x++) low[x] = row[x] < low[x] ? row[x] : low[x];
        }
        for (int i = 0; i < across; i++) {
            byte most = high[8 * i], least = low[8 * i];
            for (int x = 8 * i + 1; x < 8 * i + 8; x++) {
                most = high[x] > most ? high[x] : most;
                least = low[x] < least ? low[x] : least;
            }
            histogram[most - least]++;
        }
    }
}

/* The median of the outline of h x w, rounded down: of rows and columns, so that corners count twice. */
static byte outline_median(const byte *plane, int h, int w)
{
    int seen[256] = {0}, half = h + w, level = 0, passed = 0, lower;
    for (long x = 0; x < w; x++) { seen[plane[x]]++; seen[plane[(h - 1) * w + x]]++; }
    for (int y = 0; y < h; y++) { seen[plane[y * w]]++; seen[plane[y * w + w - 1]]++; }
    while (passed + seen[level] < half) passed += seen[level++];
    lower = level; /* the half-th of 2 * half, from 1 */
    if (passed + seen[level] == half)
        do level++; while (!seen[level]);
    return (byte)((lower + level) >> 1);
}

/* Distance from the ground, what stands out from it, and how much of the rest is level with it. */
VECTORS
static uint32_t part(
    const byte *restrict r, const byte *restrict g, const byte *restrict b, const byte *ground, int n,
    byte *restrict away, byte *restrict figure)
{
    const byte red = ground[0], green = ground[1], blue = ground[2];
    uint32_t level = 0;
    for (int i = 0; i < n; i++) {
        byte x = gap(r[i], red), y = gap(g[i], green), z = gap(b[i], blue);
        x = x > y ? x : y;
        x = x > z ? x : z;
        away[i] = x;
        figure[i] = x > APART;
    }
    for (int i = 0; i < n; i++) level += away[i] <= NEAR / 2;
    return level;
}

typedef struct {
    uint32_t turns_x, turns_y, apart;
} Outline;

/* One row of the figure; `above` is the row before it, and itself for the first. */
VECTORS
static uint32_t trace(
    const byte *restrict row, const byte *above, const byte *restrict away, int w, uint16_t *restrict columns,
    Outline *to)
{
    uint32_t in_row = 0, turns_x = 0, turns_y = 0, apart = 0;
    for (long x = 0; x < w; x++) columns[x] += row[x];
    for (long x = 0; x < w; x++) in_row += row[x];
    for (long x = 0; x < w - 1; x++) turns_x += row[x] ^ row[x + 1];
    for (long x = 0; x < w; x++) turns_y += row[x] ^ above[x];
    for (long x = 0; x < w; x++) apart += (byte)-row[x] & away[x];
    to->turns_x += turns_x;
    to->turns_y += turns_y;
    to->apart += apart;
    return in_row;
}

static void figure_and_ground(
    const byte *r, const byte *g, const byte *b, const byte *luma, int h, int w, byte *away, byte *figure,
    int64_t *levels, int64_t *one, int64_t *columns, int64_t *rows)
{
    byte ground[3] = {outline_median(r, h, w), outline_median(g, h, w), outline_median(b, h, w)};
    uint16_t in_column[MOST] = {0};
    uint32_t border = 0;
    Outline outline = {0};
    one[LEVEL] = part(r, g, b, ground, h * w, away, figure);
    for (int i = 0; i < h * w; i++) levels[256 * figure[i] + luma[i]]++; /* BESIDE, then INSIDE */
    for (long x = 0; x < w; x++) border += (away[x] <= NEAR) + (away[(h - 1) * w + x] <= NEAR);
    for (int y = 0; y < h; y++) border += (away[y * w] <= NEAR) + (away[y * w + w - 1] <= NEAR);
    for (int y = 0; y < h; y++) {
        const byte *row = figure + y * w;
        rows[y] = trace(row, y ? row - w : row, away + y * w, w, in_column, &outline);
    }
    for (long x = 0; x < w; x++) columns[x] = in_column[x];
    for (int c = 0; c < 3; c++) one[GROUND_RED + c] = ground[c];
    one[BORDER] = border;
    one[TURNS_X] = outline.turns_x;
    one[TURNS_Y] = outline.turns_y;
    one[APART_SUM] = outline.apart;
}

/* Brightness, saturation, and the place among colours of 32 levels a channel. */
VECTORS
static void mix(
    const byte *restrict r, const byte *restrict g, const byte *restrict b, int n, byte *restrict luma,
    byte *restrict saturation, uint16_t *restrict colour)
{
    for (int i = 0; i < n; i++) luma[i] = mean_of(mean_of(r[i], b[i]), g[i]);
    for (int i = 0; i < n; i++) {
        byte most = r[i] > g[i] ? r[i] : g[i], least = r[i] < g[i] ? r[i] : g[i];
        most = most > b[i] ? most : b[i];
        least = least < b[i] ? least : b[i];
        saturation[i] = most - least;
    }
    for (int i = 0; i < n; i++)
        colour[i] = (uint16_t)((r[i] >> 3) << 10 | (g[i] >> 3) << 5 | b[i] >> 3);
}

/* How often each colour comes, most often first; says how many there are. `bins` has BINS, `often` one
 * more than n, which may be what `colour` was. */
static int sorted_counts(const uint16_t *colour, int n, uint16_t *bins, uint16_t *often, int64_t *to)
{
    int found = 0, most = 0, at = 0;
    memset(bins, 0, BINS * sizeof *bins);
    for (int i = 0; i < n; i++) bins[colour[i]]++;
    for (int i = 0; i < BINS; i += 4) {
        uint64_t four;
        memcpy(&four, bins + i, sizeof four);
        if (four)
            for (int k = i; k < i + 4; k++)
                if (bins[k]) {
                    to[found++] = bins[k];
                    if (bins[k] > most) most = bins[k];
                }
    }
    memset(often, 0, (most + 1) * sizeof *often);
    for (int i = 0; i < found; i++) often[to[i]]++;
    for (int count = most; count; count--)
        for (int i = 0; i < often[count]; i++) to[at++] = count;
    return found;
}

/* area: h rows of w pixels, red, green and blue, `stride` bytes from row to row; h and w at least 16.
 * numbers: room for HISTOGRAMS * 256, SINGLES and GRID * GRID. columns, rows: for half of w and h.
 * colours: for a quarter of h * w.
 * Says how many colours there are; -1 where the picture is too small or too large, or there is no
 * memory. */
int standin_count(
    const byte *area, int64_t stride, int h, int w, int64_t *numbers, int64_t *columns, int64_t *rows,
    int64_t *colours)
{
    int h2 = h / 2, w2 = w / 2, h4 = h2 / 2, w4 = w2 / 2, n = h * w, n2 = h2 * w2, found;
    int64_t *one = numbers + HISTOGRAMS * 256;
    if (h < 16 || w < 16 || h > MOST || w > MOST) return -1;
    byte *room = malloc(2 * (BINS + n2 + 1) + 4 * n + 9 * n2 + MOST);
    if (!room) return -1;
    uint16_t *bins = (uint16_t *)room, *colour = bins + BINS;
    byte *planes = (byte *)(colour + n2 + 1), *luma = planes + 3 * n;
    byte *half = luma + n, *small = half + 3 * n2;
    byte *saturation = small + n2, *away = saturation + n2, *figure = away + n2, *middle = figure + n2;
    byte *quarter = middle + n2, *row = quarter + n2;
    memset(numbers, 0, (HISTOGRAMS * 256 + SINGLES) * sizeof *numbers);

    for (int y = 0; y < h; y++) {
        byte *r = planes + y * w;
        split(area + y * stride, w, r, r + n, r + 2 * n, luma + y * w, one + RED);
    }
    for (int c = 0; c < 3; c++) halve(planes + c * n, h, w, half + c * n2, row);
    const byte *r = half, *g = half + n2, *b = half + 2 * n2;
    mix(r, g, b, n2, small, saturation, colour);
    for (int i = 0; i < n2; i++) numbers[SATURATION * 256 + saturation[i]]++;
    figure_and_ground(r, g, b, small, h2, w2, away, figure, numbers, one, columns, rows);
    found = sorted_counts(colour, n2, bins, colour, colours);

    const byte fine[4] = {1, 4, 16, 64}, rough[4] = {2, APART, 0, 0};
    Steps across = {0}, down = {0}, coarse = {0};
    for (int y = 0; y < h; y++) walk(luma + y * w, luma + y * w + 1, w - 1, fine, &across);
    for (int y = 1; y < h; y++) walk(luma + y * w, luma + (y - 1) * w, w, fine, &down);
    flush(&across);
    flush(&down);
    for (int i = 0; i < 4; i++) one[STILL + i] = across.counts[i] + down.counts[i];
    one[ACROSS] = across.sum;
    one[DOWN] = down.sum;
    block_ranges(luma, h, w, numbers + RANGES * 256);
    cells(luma, h, w, one + SINGLES);

    halve(luma, h, w, middle, row);
    halve(middle, h2, w2, quarter, row);
    for (int y = 0; y < h4; y++) walk(quarter + y * w4, quarter + y * w4 + 1, w4 - 1, rough, &coarse);
    for (int y = 1; y < h4; y++) walk(quarter + y * w4, quarter + (y - 1) * w4, w4, rough, &coarse);
    flush(&coarse);
    one[COARSE_STILL] = coarse.counts[0];
    one[COARSE_EDGES] = h4 * (w4 - 1) + (h4 - 1) * w4 - coarse.counts[1];
    one[COARSE] = coarse.sum;
    for (int y = 0; y < h4; y++)
        for (long x = 0; x < w4; x++) {
            byte here = quarter[y * w4 + x];
            numbers[QUARTER * 256 + here]++;
            one[MIRRORED] += gap(here, quarter[y * w4 + w4 - 1 - x]);
            one[UPENDED] += gap(here, quarter[(h4 - 1 - y) * w4 + x]);
        }
    free(room);
    return found;
}
