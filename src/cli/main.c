/* main.c: the loom program: a table of subcommands. Plain `loom` serves. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "jsonx.h"
#include "str.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args, *help;
} commands[] = {
	{"serve", loom_cmd_serve, "", "serve models over HTTP (the default)"},
	{"config", loom_cmd_config, "", "print the settings in force, and where each comes from"},
	{"generate", loom_cmd_generate, "MODEL", "continue a prompt, with hidden states when asked for"},
	{"embed", loom_cmd_embed, "MODEL [FILE]", "one embedding for each line of FILE or standard input"},
	{"tokenize", loom_cmd_tokenize, "MODEL", "JSON lines in, ids and offsets out"},
	{"detokenize", loom_cmd_detokenize, "MODEL", "JSON lines in, text out"},
	{"plan", loom_cmd_plan, "MODEL", "print the op list of a model, with its taps"},
	{"probe", loom_cmd_probe, "MODEL", "say which loader takes a model, and why"},
	{"pull", loom_cmd_pull, "ID [FILE]", "fetch a model from the Hugging Face hub into the cache"},
	{"health", loom_cmd_health, "", "ask the server how it is (exit status 0: well)"},
	{"quantize", loom_cmd_quantize, "IN OUT", "write a model with smaller weights: GGUF blocks, NF4 or int8"},
	{"bench", loom_cmd_bench, "MODEL", "measure prefill, decode, captures or embedding on this machine"},
};
#define N_COMMAND (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
	(void)fprintf(out, "Loom runs transformer models and hands out their hidden states.\n\nusage: loom [COMMAND] [options]\n\n");
	for (size_t i = 0; i < N_COMMAND; i++) {
		(void)fprintf(out, "  %-10s %-12s %s\n", commands[i].name, commands[i].args, commands[i].help);
	}
	(void)fprintf(out, "\nMODEL is a Hugging Face id (org/name, fetched on first use), a folder or a .gguf file.\n"
		"`loom COMMAND --help` lists a command's options; `loom --version` prints the version.\n");
}

int main(int argc, char **argv)
{
	const char *names[N_COMMAND + 1] = {NULL}, *near;

	loom_json_setup();
	/* Threads of connections come and go: with an arena for each, what they leave behind makes a server grow for hours. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
		print_help(stdout);
		return LOOM_EXIT_OK;
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0)) {
		(void)printf("loom %s\n", LOOM_VERSION);
		return LOOM_EXIT_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		return loom_cmd_serve(argc, argv);
	}
	for (size_t i = 0; i < N_COMMAND; i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return commands[i].run(argc - 1, argv + 1);
		}
		names[i] = commands[i].name;
	}
	near = loom_str_nearest(argv[1], names);
	return loom_fail_usage("unknown command \"%s\"%s%s%s; `loom --help` lists them", argv[1], near ? " (did you mean \"" : "",
		near ? near : "", near ? "\"?)" : "");
}
