#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/topo.h"

enum { HOSTS_MAX = 4096 };
enum { KEY_WORKERS = 256, KEY_HEIGHT, KEY_SHAPE, KEY_AGGREGATORS, KEY_SEED, KEY_MODEL, KEY_HOSTS };

typedef struct {
    ech_topo_choice tree;
    const char *model;
    bool json;
    int64_t hosts;
    const char *picture;
} arguments;

static void check_tree(const ech_topo_choice *tree, struct argp_state *state)
{
    const bool has_more = tree->height > 0 || tree->shape != NULL || tree->aggregators != NULL;
    if ((tree->file != NULL) == (tree->workers > 0)) {
        argp_error(state, "expected either a file or --workers");
    } else if (has_more && tree->file != NULL) {
        argp_error(state, "--height, --shape and --aggregators belong to --workers");
    } else if (tree->shape != NULL && (tree->aggregators != NULL || tree->height > 0)) {
        argp_error(state, "--shape says it all: expected neither --height nor --aggregators");
    }
}

/* Options that say which tree. */
static error_t parse_tree(int key, char *text, struct argp_state *state)
{
    ech_topo_choice *tree = &((arguments *)state->input)->tree;
    switch (key) {
    case KEY_WORKERS:
        tree->workers = ech_argument_number(state, "workers", text, 1, ECH_TOPOLOGY_NODES_MAX);
        return 0;
    case KEY_HEIGHT:
        tree->height = ech_argument_number(state, "height", text, 1, ECH_TOPOLOGY_NODES_MAX);
        return 0;
    case KEY_SEED:
        tree->seed = ech_argument_number(state, "seed", text, 0, ECH_TOPOLOGY_NODES_MAX);
        return 0;
    case KEY_SHAPE:
        tree->shape = text;
        return 0;
    case KEY_AGGREGATORS:
        tree->aggregators = text;
        return 0;
    case ARGP_KEY_ARG:
        ech_argument_keep(state, "tree", &tree->file, text);
        return 0;
    case ARGP_KEY_END:
        check_tree(tree, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_show(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case KEY_MODEL:
        given->model = text;
        return 0;
    case 'j':
        given->json = true;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = given;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_draw(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case KEY_HOSTS:
        given->hosts = ech_argument_number(state, "hosts", text, 1, HOSTS_MAX);
        return 0;
    case 'o':
        given->picture = text;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = given;
        return 0;
    case ARGP_KEY_END:
        if (given->picture == NULL) {
            argp_error(state, "--out FILE is missing: what to draw");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option tree_options[] = {
    {"workers", KEY_WORKERS, "N", 0, "a generated tree of N workers, instead of a file", 0},
    {"height", KEY_HEIGHT, "H", 0,
     "its edges from the leader to a worker; of a random tree at most", 0},
    {"shape", KEY_SHAPE, "A,B,...", 0, "its aggregators in each tier from the leader down", 0},
    {"aggregators", KEY_AGGREGATORS, "N", 0, "a random tree with N aggregators", 0},
    {"seed", KEY_SEED, "S", 0, "where a random tree comes from (1)", 0},
    {0},
};

static const struct argp tree_parser = {.options = tree_options, .parser = parse_tree};

static const struct argp_child tree_child[] = {{&tree_parser, 0, NULL, 0}, {0}};

static const struct argp_option show_options[] = {
    {"model", KEY_MODEL, "NAME", 0,
     "tell what a round of this model, or of the one that a file describes, sends over the edges",
     0},
    {"json", 'j', NULL, 0, "print one JSON object", 0},
    {0},
};

static const struct argp show_parser = {
    .options = show_options,
    .parser = parse_show,
    .children = tree_child,
    .args_doc = "[TREE.yaml|CONFIG.yaml]",
    .doc = "Show a topology: nodes by tier and, for a model, the bytes of one round in the tree "
           "and to a flat server reached through it.",
};

static const struct argp_option draw_options[] = {
    {"out", 'o', "FILE", 0, "the picture: FILE.svg, FILE.png, or FILE.dot for the graph itself", 0},
    {"hosts", KEY_HOSTS, "N", 0, "show which of N equal hosts each node is placed on", 0},
    {0},
};

static const struct argp draw_parser = {
    .options = draw_options,
    .parser = parse_draw,
    .children = tree_child,
    .args_doc = "[TREE.yaml|CONFIG.yaml]",
    .doc = "Draw a topology with graphviz: the leader, aggregators and workers by colour.",
};

/* The model of a configuration, unless another is asked for. */
static const char *model_of(const arguments *given, const ech_config *config)
{
    if (given->model != NULL || config == NULL) {
        return given->model;
    }
    const char *name = ech_config_text(config, "model.name");
    return name != NULL ? name : ech_config_text(config, "model.file");
}

static int show(int argc, char **argv)
{
    arguments given = {.tree = {.seed = 1}};
    argp_parse(&show_parser, argc, argv, 0, NULL, &given);
    ech_topology *topology = NULL;
    ech_config *config = NULL;
    ech_topo_facts facts = {0};
    ech_status status = ech_topo_grow(&given.tree, &topology, &config);
    if (status == ECH_OK) {
        status = ech_topo_count(topology, model_of(&given, config), &facts);
    }
    if (status == ECH_OK && given.json) {
        status = ech_topo_write_json(&facts);
    } else if (status == ECH_OK) {
        ech_topo_print(&facts);
    }
    ech_topo_facts_clear(&facts);
    ech_topology_destroy(&topology);
    ech_config_destroy(&config);
    return ech_command_exit_input(status);
}

static int draw(int argc, char **argv)
{
    arguments given = {.tree = {.seed = 1}, .hosts = 1};
    argp_parse(&draw_parser, argc, argv, 0, NULL, &given);
    ech_topology *topology = NULL;
    ech_config *config = NULL;
    ech_status status = ech_topo_grow(&given.tree, &topology, &config);
    if (status == ECH_OK) {
        status = ech_topo_draw(topology, (uint32_t)given.hosts, given.picture);
    }
    ech_topology_destroy(&topology);
    ech_config_destroy(&config);
    return ech_command_exit_input(status);
}

int ech_cmd_topo(int argc, char **argv)
{
    static const ech_command commands[] = {
        {"show", "count a tree's nodes by tier, and the bytes of a round", show},
        {"draw", "draw a tree as SVG or PNG", draw},
        {NULL, NULL, NULL},
    };
    return ech_command_dispatch(commands, argc, argv);
}
