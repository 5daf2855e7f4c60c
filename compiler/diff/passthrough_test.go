package diff_test

import "github.com/gwc-dev/gwc/compiler/diff"

const passthroughAt = "models: [\"smart\"]"

// passthroughEdits are edits of what is opened to an app.
var passthroughEdits = []edit{
	{"paths of a provider are opened", "tenants/acme/acme.cue", passthroughAt, passthroughAt + "\n\t\t\tpassthrough: [{provider: \"openai\", paths: [\"/batches\"]}]", kinds(diff.PassthroughOpened), nil},
	{"a path is opened for another method", "tenants/shop/shop.cue", `methods: ["GET"]`, `methods: ["GET", "DELETE"]`, kinds(diff.PassthroughOpened, diff.PassthroughOpened), nil},
	{"a path is opened for WebSocket alone", "tenants/shop/shop.cue", `paths: ["/files", "/files/{rest+}"], methods: ["GET"]`, `paths: ["/files", "/files/{rest+}"], websocket: true`, kinds(diff.PassthroughOpened, diff.PassthroughOpened, diff.PassthroughClosed, diff.PassthroughClosed), nil},
	{"a path is no longer opened", "tenants/shop/shop.cue", `"/files", "/files/{rest+}"`, `"/files"`, kinds(diff.PassthroughClosed), nil},
	{"a path is narrowed", "tenants/shop/shop.cue", `"/files/{rest+}"`, `"/files/{id}"`, kinds(diff.PassthroughOpened, diff.PassthroughClosed), kinds(diff.PassthroughOpened)},
	{"a path is named that another takes", "tenants/shop/shop.cue", `"/files/{rest+}"`, `"/files/{rest+}", "/files/{id}"`, kinds(diff.PassthroughOpened), kinds(diff.PassthroughOpened)},
}
