/* api_loaders.c: GET /loaders and GET /loaders/probe/{id}: who can open models, and who would open this one. */
#include <string.h>

#include "exchange.h"
#include "json_out.h"
#include "str.h"

static void named(struct loom_json_out *j, const char *key, const char *value)
{
	loom_json_key(j, key);
	loom_json_put_str(j, value);
}

enum loom_status loom_api_loaders(struct loom_exchange *x, struct loom_err *err)
{
	const struct loom_loader_order *order;
	struct loom_engine_opts o;
	struct loom_json_out j;

	loom_engine_opts_get(x->engine, &o);
	order = loom_loader_order(&o.loaders);
	loom_json_out_init(&j, &x->body.head);
	loom_json_open(&j, '{');
	loom_json_key(&j, "loaders");
	loom_json_open(&j, '{');
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		const char *name = loom_loader_name((enum loom_loader)i);
		const struct loom_loader_facts *f = loom_loader_facts((enum loom_loader)i);
		loom_json_key(&j, name);
		loom_json_open(&j, '{');
		named(&j, "name", name);
		named(&j, "type", f->type);
		named(&j, "description", f->description);
		loom_json_close(&j, '}');
	}
	loom_json_close(&j, '}');
	loom_json_key(&j, "fallback_order");
	loom_json_open(&j, '[');
	for (int i = 0; i < order->n; i++) {
		loom_json_put_str(&j, loom_loader_name(order->v[i]));
	}
	loom_json_close(&j, ']');
	loom_json_close(&j, '}');
	return loom_exchange_done(x, err);
}

/* The id as it is, and when no model has that name, with "--" read as "/". */
static enum loom_status probe(struct loom_exchange *x, char *id, struct loom_probe *p, int *configured, struct loom_err *err)
{
	enum loom_status rc = loom_engine_probe(x->engine, id, p, configured, err);
	size_t n = 0;

	if (rc != LOOM_E_NOT_FOUND || !strstr(id, "--")) {
		return rc;
	}
	for (const char *s = id; *s; s++) {
		bool pair = s[0] == '-' && s[1] == '-';
		id[n++] = pair ? '/' : *s;
		s += pair;
	}
	id[n] = '\0';
	return loom_engine_probe(x->engine, id, p, configured, err);
}

enum loom_status loom_api_probe(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_probe p;
	struct loom_json_out j;
	char id[1024];
	int configured = -1;
	enum loom_status rc;

	(void)loom_str_copy(id, sizeof(id), x->rest);
	rc = probe(x, id, &p, &configured, err);
	if (rc) {
		return rc;
	}
	loom_json_out_init(&j, &x->body.head);
	loom_json_open(&j, '{');
	named(&j, "model_id", id);
	named(&j, "configured_loader", configured >= 0 ? loom_loader_name((enum loom_loader)configured) : NULL);
	named(&j, "detected_loader", p.detected >= 0 ? loom_loader_name((enum loom_loader)p.detected) : NULL);
	loom_json_key(&j, "can_load");
	loom_json_open(&j, '{');
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		loom_json_key(&j, loom_loader_name((enum loom_loader)i));
		loom_json_put_bool(&j, p.can[i]);
	}
	loom_json_close(&j, '}');
	named(&j, "selected_loader", p.selected >= 0 ? loom_loader_name((enum loom_loader)p.selected) : NULL);
	loom_json_key(&j, "reasons");
	loom_json_open(&j, '{');
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		named(&j, loom_loader_name((enum loom_loader)i), p.reason[i]);
	}
	loom_json_close(&j, '}');
	named(&j, "architecture", p.architecture[0] ? p.architecture : NULL);
	loom_json_close(&j, '}');
	return loom_exchange_done(x, err);
}
