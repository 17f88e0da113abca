/* hub_refusal.c: what the hub's refusals mean for the person who asked, and what to do about each. */
#include <string.h>

#include "hub_http.h"
#include "str.h"

static const char *token_advice(const struct loom_hub_client *c)
{
	if (!c->env->token[0]) {
		return "set HF_TOKEN to a token of an account that may read it";
	}
	return loom_hub_token_goes(&c->endpoint, &c->endpoint) ? "the token in use may not read it"
		: "the token was not sent, because HF_ENDPOINT is plain http";
}

static enum loom_status limited(const struct loom_hub_client *c, const struct loom_hub_reply *r, struct loom_err *err)
{
	if (r->retry_after >= 0) {
		return loom_hub_err(err, LOOM_E_UNAVAILABLE, "hub_rate_limited", "%s limits the rate of requests: try again in %ld s%s", c->env->host,
			r->retry_after, c->env->token[0] ? "" : ", or set HF_TOKEN, which raises the limit");
	}
	return loom_hub_err(err, LOOM_E_UNAVAILABLE, "hub_rate_limited", "%s limits the rate of requests: try again later%s", c->env->host,
		c->env->token[0] ? "" : ", or set HF_TOKEN, which raises the limit");
}

enum loom_status loom_hub_refusal(const struct loom_hub_client *c, const struct loom_hub_reply *r, const struct loom_hub_id *id,
	const char *file, struct loom_err *err)
{
	const char *host = c->env->host, *code = r->error_code;
	bool credentials = strstr(r->error_message, "nvalid credentials") != NULL;

	if (r->status == 429) {
		return limited(c, r, err);
	}
	if (r->status >= 500) {
		return loom_hub_err(err, LOOM_E_HUB, "hub_error", "%s answers %ld for %s: try again later", host, r->status, id->repo);
	}
	if (strcmp(code, "GatedRepo") == 0) {
		return loom_hub_err(err, LOOM_E_FORBIDDEN, "gated_model", "model \"%s\" is gated: accept its terms at %s/%s, then set HF_TOKEN to a token of "
			"that account (%s)", id->repo, c->env->endpoint, id->repo, c->env->token[0] ? "the one in use has no access" : "none is set");
	}
	if (strcmp(code, "RevisionNotFound") == 0) {
		return loom_hub_err(err, LOOM_E_NOT_FOUND, "revision_not_found", "model \"%s\" has no revision \"%s\" on %s", id->repo, id->rev, host);
	}
	if (file && strcmp(code, "EntryNotFound") == 0) {
		return loom_hub_err(err, LOOM_E_NOT_FOUND, "entry_not_found", "model \"%s\" has no file %.200s at revision \"%s\" on %s", id->repo, file,
			id->rev, host);
	}
	if (credentials) {
		return loom_hub_err(err, LOOM_E_FORBIDDEN, "hub_token_invalid", "%s does not know the token in use: set HF_TOKEN to a valid one, or unset it "
			"for public models", host);
	}
	if (r->status == 401 || r->status == 404 || strcmp(code, "RepoNotFound") == 0) {
		return loom_hub_err(err, LOOM_E_NOT_FOUND, "model_not_found", "no model \"%s\" on %s: check the spelling; if it is private, %s", id->repo,
			host, token_advice(c));
	}
	if (r->status == 403) {
		return loom_hub_err(err, LOOM_E_FORBIDDEN, "hub_forbidden", "%s refuses model \"%s\"%s%.150s: %s", host, id->repo,
			r->error_message[0] ? ": " : "", r->error_message, token_advice(c));
	}
	return loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "%s answers %ld for model \"%s\"%s%.150s", host, r->status, id->repo,
		r->error_message[0] ? ": " : "", r->error_message);
}
