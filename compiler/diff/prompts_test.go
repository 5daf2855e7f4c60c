package diff_test

import "github.com/gwc-dev/gwc/compiler/diff"

const promptFile = "platform/prompts.cue"

// quiet are the kinds of changes of prompts that no request head shows.
var quiet = []diff.Kind{
	diff.PromptInputs, diff.PromptOutput, diff.PromptParameters, diff.PromptOnInvalid, diff.PromptStreamOff, diff.PromptText, diff.PromptModel,
	diff.PromptVersionRemoved, diff.PromptVisibility, diff.PromptOwner, diff.PromptServed,
}

// promptEdits are edits of the prompt of the repository.
var promptEdits = []edit{
	{"a prompt is added", promptFile, "prompts: mood: {", `prompts: hi: {owner: "acme", path: "/v1/hi", model: "fast", messages: [{role: "user", text: "Hi"}]}` + "\nprompts: mood: {", kinds(diff.PromptAdded), nil},
	{"a prompt moves", promptFile, `"/v1/mood"`, `"/v1/moods"`, kinds(diff.PromptPath), nil},
	{"a prompt goes to another owner", promptFile, `owner: "acme"`, `owner: "shop"`, kinds(diff.PromptOwner), quiet},
	{"a prompt becomes private", promptFile, `path: "/v1/mood"`, `path: "/v1/mood", visibility: "private"`, kinds(diff.PromptVisibility), quiet},
	{"a prompt is described otherwise", promptFile, "feels like", "says", kinds(diff.PromptDescription), nil},
	{"another version is stable", promptFile, "stable: 2", "stable: 1", kinds(diff.PromptServed), quiet},
	{"a version goes", promptFile, `	versions: "1"`, `	versions: "3"`, kinds(diff.PromptVersionAdded, diff.PromptVersionRemoved, diff.PromptServed), quiet},
	{"an input may be shorter only", promptFile, "maxLength: 100", "maxLength: 50", kinds(diff.PromptInputs), quiet},
	{"an input may be longer", promptFile, "maxLength: 100", "maxLength: 200", kinds(diff.PromptInputsWider), nil},
	{"an output has a value more", promptFile, `["good", "bad"]`, `["good", "bad", "mixed"]`, kinds(diff.PromptOutput), quiet},
	{"an output has a field more", promptFile, `output: label`, `output: why: {}` + "\n\toutput: label", kinds(diff.PromptOutputMore), nil},
	{"another model answers", promptFile, `path: "/v1/mood", model: "smart"`, `path: "/v1/mood", model: "fast"`, kinds(diff.PromptModel), quiet},
	{"a parameter changes", promptFile, "temperature: 0.5", "temperature: 0.7", kinds(diff.PromptParameters), quiet},
	{"an invalid output is mended", promptFile, "aliases:", `onInvalid: "repair"` + "\n\taliases:", kinds(diff.PromptOnInvalid), quiet},
	{"a version no longer streams", promptFile, "stream: true, ", "", kinds(diff.PromptStreamOff), quiet},
	{"a text changes", promptFile, "Be {{tone}}.", "Stay {{tone}}.", kinds(diff.PromptText), quiet},
	{"an app lists a prompt", "tenants/acme/acme.cue", `models: ["smart"]`, "models: [\"smart\"]\n\t\t\tprompts: [\"mood\"]", kinds(diff.PromptGranted), kinds(diff.PromptGranted)},
}

func kinds(k ...diff.Kind) []diff.Kind { return k }
