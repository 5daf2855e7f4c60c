package check

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"

	artifactmatch "github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// scalar is a kind of text that means something: the language's @is(kind) names it.
type scalar struct {
	code diag.Code
	// words says what is expected, after "expected".
	words string
	// secret says that the text, when it is wrong, may be a secret that must not be shown.
	secret bool
	// check returns what is wrong with a text, as the end of a sentence that begins with it, such as "has no unit"; ""
	// if nothing is. It never repeats the text, which may be long or a secret.
	check func(string) string
}

// What tests are written with.
var (
	testForm        = regexp.MustCompile(`^[^\s](.{0,198}[^\s])?$`)
	methodForm      = regexp.MustCompile(`^[A-Z][A-Z-]{0,31}$`)
	targetForm      = regexp.MustCompile(`^/[!-~]*$`)
	requestHostForm = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)
	appForm         = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+$`)
)

var (
	nameForm      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	modelForm     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]{0,126}[A-Za-z0-9])?$`)
	upstreamForm  = regexp.MustCompile(`^[!-~]{1,256}$`)
	durationForm  = regexp.MustCompile(`^([0-9]+(ms|s|m|h))+$`)
	keyIDForm     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)
	ownerForm     = regexp.MustCompile(`^[^\s,]{1,128}$`)
	headerForm    = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")
	valueForm     = regexp.MustCompile(`^[\t -~]*$`)
	hostForm      = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	hostNameForm  = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)
	basePathForm  = regexp.MustCompile(`^(/|(/[A-Za-z0-9._~-]+)*)$`)
	variableForm  = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`) // as people name variables, and no vendor its keys
	envForm       = regexp.MustCompile(`^env:[A-Za-z_][A-Za-z0-9_]*$`)
	amountForm    = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,9})?$`)
	catalogueForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}/[!-~]{1,256}$`)
	quirkForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	azureForm     = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|v1|preview)$`)
	entraForm     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$`)
	regionForm    = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
	scopeForm     = regexp.MustCompile(`^[!-~]{1,256}$`)
	vendorForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)
	inputForm     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
	versionForm   = regexp.MustCompile(`^[1-9][0-9]{0,5}$`)
	googleForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]{0,62}$`)
	lowerHashForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// scalars holds a scalar for every @is of the language; a test keeps it so.
var scalars = map[string]scalar{
	"name": {codeName, `a name of lower-case letters, digits and "-"`, false, func(s string) string {
		switch {
		case nameForm.MatchString(s):
			return ""
		case len(s) > 63:
			return "is longer than 63 characters"
		}
		return "is not a name"
	}},
	"modelname": {codeName, `a name of letters, digits, ".", "_", ":" and "-"`, false, func(s string) string {
		switch {
		case modelForm.MatchString(s):
			return ""
		case len(s) > 128:
			return "is longer than 128 characters"
		}
		return "is not a model name"
	}},
	"upstreammodel": {codeText, "the provider's name of a model, without spaces", false, match(upstreamForm, "has spaces or characters that are not ASCII, or is longer than 256")},
	"duration": {codeDuration, `a duration such as "500ms", "2s" or "1m30s"`, false, func(s string) string {
		if _, err := parseDuration(s); err != nil {
			return "" + err.Error()
		}
		return ""
	}},
	"size": {codeSize, `a number of bytes or a size such as "64MB"`, false, func(s string) string {
		if _, ok := parseSize(s); !ok {
			return "is not a size"
		}
		return ""
	}},
	"date": {codeDate, `a day such as "2027-06-30"`, false, func(s string) string {
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return "is not a day of the calendar"
		}
		return ""
	}},
	"address": {codeAddress, `"host:port" such as "127.0.0.1:8080" or ":8080"`, false, checkAddress},
	"url":     {codeURL, `a URL such as "https://api.example.com/v1"`, false, checkURL},
	"basepath": {codeBasePath, `a path such as "/petstore/v1"`, false, func(s string) string {
		switch {
		case basePathForm.MatchString(s) && !slices.ContainsFunc(strings.Split(s, "/"), func(p string) bool { return p == "." || p == ".." }):
			return ""
		case !strings.HasPrefix(s, "/"):
			return `does not begin with "/"`
		case strings.HasSuffix(s, "/"):
			return `ends with "/"`
		}
		return "is not a plain path"
	}},
	"promptpath": {codeBasePath, `a path such as "/v1/sentiment"`, false, func(s string) string {
		switch {
		case s == "" || s == "/":
			return "is no path of its own"
		case basePathForm.MatchString(s) && !slices.ContainsFunc(strings.Split(s, "/"), func(p string) bool { return p == "." || p == ".." }):
			return ""
		case !strings.HasPrefix(s, "/"):
			return `does not begin with "/"`
		case strings.HasSuffix(s, "/"):
			return `ends with "/"`
		}
		return "is not a plain path"
	}},
	"passthroughpath": {codePassthroughPath, `a path such as "/files" or "/batches/{rest+}"`, false, func(s string) string {
		switch {
		case !strings.HasPrefix(s, "/"):
			return `does not begin with "/"`
		case s == "/":
			return "is no path of its own"
		case len(s) > 1024:
			return "is longer than 1024 characters"
		case strings.Contains(s, "//"):
			return "has an empty segment"
		case strings.Contains(s, "*"):
			return `has a "*", where a template has "{name}" for a segment and "{rest+}" for the rest`
		}
		if err := artifactmatch.Check(artifactmatch.Pattern{Method: "GET", Path: s}); err != nil {
			return "is no template: " + err.Error()
		}
		return ""
	}},
	"inputname":     {codeName, `a name of letters, digits and "_" that begins with a letter`, false, match(inputForm, "is not such a name")},
	"versionnumber": {codeName, `the number of a version, such as "2"`, false, match(versionForm, "is not the number of a version")},
	"host": {codeHost, `a host such as "api.example.com" or "*.example.com"`, false, func(s string) string {
		switch {
		case hostForm.MatchString(s) && len(s) <= 253:
			return ""
		case hostForm.MatchString(strings.ToLower(s)):
			return "has upper-case letters"
		case strings.Contains(s, "://"):
			return "is a URL"
		case strings.Contains(s, ":"):
			return "has a port"
		}
		return "is not a host"
	}},
	"document": {codeDocument, `the path of a .yaml, .yml or .json file`, false, func(s string) string {
		switch ext := path.Ext(s); {
		case path.IsAbs(s):
			return "is not relative to its file"
		case ext != ".yaml" && ext != ".yml" && ext != ".json":
			return "is neither YAML nor JSON"
		}
		return ""
	}},
	"folder": {codeDocument, "the path of a folder", false, func(s string) string {
		if strings.ContainsRune(s, 0) {
			return "has a NUL in it"
		}
		return ""
	}},
	"secretref": {codeReferTo, `a reference to a secret: "env:NAME" or "file:path"`, true, func(s string) string {
		switch {
		case envForm.MatchString(s), strings.HasPrefix(s, "file:") && len(s) > len("file:"):
			return ""
		case strings.HasPrefix(s, "env:"):
			return "does not name an environment variable"
		case s == "file:":
			return "does not name a file"
		case variable(s) != "":
			return bare
		}
		return clear
	}},
	"fileref": {codeReferTo, `a reference to a file: "file:path"`, false, func(s string) string {
		switch {
		case strings.HasPrefix(s, "file:") && len(s) > len("file:"):
			return ""
		case strings.Contains(s, "-----BEGIN"), strings.Contains(s, "\n"), len(s) > 200:
			return clear // Most likely the file's content.
		}
		return `does not begin with "file:"`
	}},
	"keyhash": {codeHash, `"sha256:" and 64 hex digits`, true, func(s string) string {
		hash, ok := strings.CutPrefix(s, "sha256:")
		_, err := hex.DecodeString(hash)
		switch {
		case lowerHashForm.MatchString(s):
			return ""
		case strings.HasPrefix(s, "gwc_"):
			return clear
		case !ok:
			return `does not begin with "sha256:"`
		case len(hash) != 64:
			return fmt.Sprintf(`has %d characters after "sha256:"`, len(hash))
		case err != nil:
			return "has characters that are not hex digits"
		}
		return "has upper-case hex digits"
	}},
	"publickey": {codePublicKey, `a public key, the line of a file that gwc keygen wrote`, true, func(s string) string {
		if strings.HasPrefix(s, "PRIVATE+KEY+") {
			return clear
		}
		if _, err := sign.ParsePublicKey(s); err != nil {
			return strings.TrimPrefix(strings.TrimPrefix(err.Error(), sign.ErrKey.Error()+": "), "it ")
		}
		return ""
	}},
	"call":      {codeCall, `a call such as "model:smart", "petstore.listPets" or "petstore.*"`, false, callText},
	"caller":    {codeCaller, `a caller such as "acme", "acme/web" or "everyone"`, false, callerText},
	"exception": {codeCaller, `a call such as "petstore.listPets" or a caller such as "acme/web"`, false, exceptionText},
	"amount":    {codeText, `dollars such as "500" or "12.50"`, false, match(amountForm, "is not a decimal number")},
	"price": {codePrice, `USD in quotes, such as "1.25"`, false, func(s string) string {
		if _, err := price.ParseRate(s, price.Input); err != nil {
			return err.Error()
		}
		return ""
	}},
	"vendor":            {codeText, `a vendor such as "groq" or "vllm"`, false, match(quirkForm, "is not the name of a vendor")},
	"azureversion":      {codeText, `a version such as "2024-10-21" or "2025-04-01-preview", or "v1"`, false, match(azureForm, "is not a version of Azure's API")},
	"awsregion":         {codeText, `a region such as "us-east-1"`, false, match(regionForm, "is not the name of a region of AWS")},
	"entraname":         {codeText, "an id, or a directory's domain", false, match(entraForm, "is neither an id nor a domain")},
	"entrascope":        {codeText, `a scope such as "https://cognitiveservices.azure.com/.default"`, false, match(scopeForm, "is not a scope")},
	"googlename":        {codeText, `a name of Google Cloud, such as "europe-west4"`, false, match(googleForm, "is not a name of Google Cloud")},
	"catalogueprovider": {codeText, `a provider of the catalogue, such as "openai"`, false, match(vendorForm, "is not a name of the catalogue")},
	"cataloguename": {codeText, `"provider/model", such as "openai/gpt-5"`, false, func(s string) string {
		switch {
		case catalogueForm.MatchString(s):
			return ""
		case !strings.Contains(s, "/"):
			return `has no "/"`
		}
		return "is not a name of the catalogue"
	}},
	"testname": {codeTestText, "a name in words, of at most 200 characters, without space at its ends", false, match(testForm, "is not a name for a test")},
	"time": {codeTestTime, `a time such as "2026-01-01T00:00:00Z"`, false, func(s string) string {
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			return "is not a time"
		}
		return ""
	}},
	"method":        {codeTestText, `a method such as "GET" or "POST"`, false, match(methodForm, "is not a method in upper case")},
	"requesttarget": {codeTestText, `a path such as "/v1/models"`, false, match(targetForm, `does not begin with "/", or has spaces or characters that are not ASCII`)},
	"requesthost":   {codeTestText, `a host such as "api.example.com"`, false, match(requestHostForm, "is not a host")},
	"appref":        {codeTestText, `an app such as "acme/web"`, false, match(appForm, `is not "tenant/app"`)},
	"json":          {codeTestData, "JSON", false, func(string) string { return "" }},
	"keyid":         {codeText, `a label of letters, digits, ".", "_" and "-"`, false, match(keyIDForm, "is not a label")},
	"owner":         {codeText, `an owner such as "@acme/platform", without spaces`, false, match(ownerForm, "is not an owner")},
	"headername":    {codeText, "the name of an HTTP header", false, match(headerForm, "is not the name of a header")},
	"lockpath": {codeLockPath, `labels with dots between, such as "apis.*.policies.auth"`, false, func(s string) string {
		if segments, _ := segmentsOf(s); segments == nil {
			return "is no path"
		}
		return ""
	}},
	"rulecode":    {codeText, `the code of a rule such as "GWC5102"`, false, match(ruleForm, "is not the code of a rule")},
	"ruleset":     {codeText, `the code of a rule such as "GWC4101", or a group such as "security"`, false, match(ruleSetForm, "is neither")},
	"waivedplace": {codeText, `a data path such as "models.smart", or a file of the repository`, false, match(placeForm, "is empty or has white space in it")},
	"reason":      {codeText, "a sentence that says why", false, match(reasonForm, "says nothing")},
	"headervalue": {codeText, "printable text without line ends", true, func(s string) string {
		if valueForm.MatchString(s) {
			return ""
		}
		return "has characters that a header cannot carry"
	}},
}

const (
	// clear is what a scalar's check says of text that looks like a secret.
	clear = "holds a secret in clear"
	// bare is what it says of the name of an environment variable where a reference is expected.
	bare = `does not begin with "env:" or "file:"`
	// query is what it says of a URL with a query, where keys are often put.
	query = "has a query"
)

// variable returns the name of the environment variable that a text most likely means, as $NAME, ${NAME} or NAME; "" if
// it means none.
func variable(s string) string {
	name := strings.TrimPrefix(s, "$")
	if name != s && strings.HasPrefix(name, "{") {
		name = strings.TrimSuffix(name[1:], "}")
	}
	if !variableForm.MatchString(name) {
		return ""
	}
	return name
}

// quote quotes a text, its beginning only if it is long.
func quote(s string) string {
	if len(s) > 80 {
		return strconv.Quote(s[:60]) + "…"
	}
	return strconv.Quote(s)
}

func match(form *regexp.Regexp, wrong string) func(string) string {
	return func(s string) string {
		if form.MatchString(s) {
			return ""
		}
		return wrong
	}
}

// secret reports whether values of a type must not be shown.
func secret(t *language.Type) bool { return scalars[t.Is].secret }

// scalar checks a value of an enumeration, a string, an integer or a boolean.
func (w *walker) scalar(v cue.Value, t *language.Type, f *language.Field) *node {
	kind := v.IncompleteKind()
	if kind == cue.BottomKind {
		w.unevaluated(v)
		return nil
	}
	want := cue.StringKind
	switch {
	case t.Shape == language.Bool:
		want = cue.BoolKind
	case t.Is == "size":
		want = cue.StringKind | cue.IntKind
	case t.Shape == language.Int:
		want = cue.IntKind
	}
	if kind&want == 0 {
		w.wrongType(v, t, f)
		return nil
	}
	if v.Kind() == cue.BottomKind {
		w.incomplete(t, f)
		return nil
	}
	if kind&want != kind {
		w.wrongType(v, t, f)
		return nil
	}
	n := &node{}
	switch {
	case t.Shape == language.Bool:
		n.flag, _ = v.Bool()
	case kind == cue.IntKind:
		var err error
		if n.num, err = v.Int64(); err != nil {
			w.outOfBounds(v, "is out of reach", t, f)
			return nil
		}
		if t.Is == "size" {
			return w.size(v, n, t, f)
		}
		if t.Min != nil && n.num < *t.Min || t.Max != nil && n.num > *t.Max {
			w.outOfBounds(v, fmt.Sprintf("is %d", n.num), t, f)
			return nil
		}
	default:
		n.str, _ = v.String()
		return w.text(v, n, t, f)
	}
	return n
}

func (w *walker) text(v cue.Value, n *node, t *language.Type, f *language.Field) *node {
	if f != nil && slices.Contains(f.Reserved, n.str) {
		d := notYet(n.str, firstLine(w.at.value), nil)
		if len(t.Values) > 0 {
			d.Notes = []string{"built so far: " + list(t.Values)}
		}
		w.report(d)
		return nil
	}
	if t.Shape == language.Enum {
		if !slices.Contains(t.Values, n.str) {
			w.unknownValue(v, n.str, t)
			return nil
		}
		return n
	}
	s, ok := scalars[t.Is]
	if !ok {
		return n
	}
	if wrong := s.check(n.str); wrong != "" {
		w.wrongText(v, n.str, wrong, t, f)
		return nil
	}
	switch t.Is {
	case "duration":
		d, _ := parseDuration(n.str)
		if !within(d, f) {
			w.outOfBounds(v, fmt.Sprintf("is %q", n.str), t, f)
			return nil
		}
	case "size":
		n.num, _ = parseSize(n.str)
		return w.size(v, n, t, f)
	}
	return n
}

func (w *walker) size(v cue.Value, n *node, t *language.Type, f *language.Field) *node {
	if f != nil && f.Low != "" {
		low, _ := parseSize(f.Low)
		top, _ := parseSize(f.Top)
		if n.num < low || n.num > top {
			w.outOfBounds(v, fmt.Sprintf("is %d bytes", n.num), t, f)
			return nil
		}
	}
	return n
}

func within(d time.Duration, f *language.Field) bool {
	if f == nil || f.Low == "" {
		return true
	}
	low, _ := parseDuration(f.Low)
	top, _ := parseDuration(f.Top)
	return d >= low && d <= top
}

func (w *walker) outOfBounds(_ cue.Value, is string, t *language.Type, f *language.Field) {
	w.report(diag.Diagnostic{
		Code:    codeBounds,
		Summary: fmt.Sprintf("%s %s, expected %s", w.name(), is, expected(t, f)),
		Primary: diag.Label{Span: firstLine(w.at.value)},
	})
}

func (w *walker) unknownValue(v cue.Value, is string, t *language.Type) {
	d := diag.Diagnostic{
		Code:    codeEnum,
		Summary: fmt.Sprintf("%s is %q, expected %s", w.name(), is, oneOf(t.Values)),
		Primary: diag.Label{Span: firstLine(w.at.value)},
	}
	if near, ok := diag.Nearest(is, t.Values); ok {
		d.Primary.Text = fmt.Sprintf("did you mean %q?", near)
		w.rewrite(&d, v, fmt.Sprintf("replace %q by %q", is, near), near)
	}
	w.report(d)
}

// rewrite adds a fix that replaces a value, where the value stands in a file as a plain string.
func (w *walker) rewrite(d *diag.Diagnostic, v cue.Value, title, text string) {
	src := v.Source()
	if f, ok := src.(*ast.Field); ok {
		src = f.Value
	}
	lit, ok := src.(*ast.BasicLit)
	if !ok {
		return
	}
	at := w.unit.span(lit)
	written := strconv.Quote(text)
	if f := w.unit.sources[at.File]; f != nil && f.Ends != nil {
		old, _ := v.String()
		if written, ok = plainText(f, at, old, text); !ok {
			return
		}
	} else if !strings.HasPrefix(lit.Value, `"`) || strings.HasPrefix(lit.Value, `"""`) {
		return
	}
	d.Fixes = []diag.Fix{{Title: title, Safe: true, Edits: []diag.Edit{{Span: at, New: written}}}}
}

func (w *walker) wrongText(v cue.Value, is, wrong string, t *language.Type, f *language.Field) {
	s := scalars[t.Is]
	d := diag.Diagnostic{
		Code:    s.code,
		Summary: fmt.Sprintf("%s is %s, expected %s", w.name(), quote(is), expected(t, nil)),
		Primary: diag.Label{Span: firstLine(w.at.value), Text: wrong},
	}
	if s.secret && wrong != bare || wrong == clear || wrong == query || t.Is == "url" && strings.Contains(is, "@") {
		d.Summary = fmt.Sprintf("%s %s, expected %s", w.name(), wrong, expected(t, nil))
		d.Primary.Text, d.Primary.Secret = "", true
	}
	switch {
	case wrong == clear:
		d.Code = codeSecret
		if t.Is == "keyhash" {
			d.Help = []string{
				"revoke this key: whoever can read the repository knows it",
				"make a new one with `gwc keys new`, which prints the key once and the hash to write here",
			}
			break
		}
		d.Help = []string{
			"put the secret into an environment variable or a file, and name that here",
			"replace the secret at its vendor: whoever can read the repository knows it",
		}
	case t.Is == "keyhash" && strings.Contains(wrong, "upper-case"):
		w.rewrite(&d, v, "write the digits in lower case", strings.ToLower(is))
	case t.Is == "host" && strings.Contains(wrong, "upper-case"):
		w.rewrite(&d, v, "write the host in lower case", strings.ToLower(is))
	case t.Is == "basepath" && strings.HasSuffix(is, "/") && scalars["basepath"].check(strings.TrimRight(is, "/")) == "":
		w.rewrite(&d, v, "remove the slash at the end", strings.TrimRight(is, "/"))
	case t.Is == "duration" && isDigits(is):
		d.Help = []string{fmt.Sprintf("add the unit: %q is %s seconds", is+"s", is)}
	}
	if c, ok := meant(t.Is, is, f); ok && len(d.Fixes) == 0 && wrong != clear {
		w.rewrite(&d, v, c.title, c.text)
		for i := range d.Fixes {
			d.Fixes[i].Safe = c.safe
		}
	}
	w.report(d)
}

// label checks a label of a map.
func (w *walker) label(label string, v cue.Value, t *language.Type) {
	s, ok := scalars[t.Is]
	if !ok {
		return
	}
	wrong := s.check(label)
	if wrong == "" {
		return
	}
	d := diag.Diagnostic{
		Code:    s.code,
		Summary: fmt.Sprintf("%s has %s, expected %s", w.name(), quote(label), s.words),
		Path:    append(slices.Clone(w.path), label),
		Primary: diag.Label{Span: w.where(v).key, Text: wrong},
	}
	w.report(d)
}

// vendorsSecret holds the headers, in lower case, in which vendors expect their keys.
var vendorsSecret = map[string]bool{
	"authorization": true, "proxy-authorization": true, "x-api-key": true, "api-key": true, "x-goog-api-key": true,
	"cookie": true, "x-auth-token": true, "x-amz-security-token": true, "ocp-apim-subscription-key": true,
	"cf-aig-authorization": true, "helicone-auth": true,
}

// secretForm matches values that are credentials whatever their header is called: with an authentication scheme before
// them, or beginning as the keys of gwc and of vendors do.
var secretForm = regexp.MustCompile(`^\s*((?i:bearer|basic|token)\s+\S{8,}|(gwc_|sk-|sk_|AIza|xai-|gsk_|hf_|ghp_|AKIA)[A-Za-z0-9_-]{12,})`)

// headers checks what a map of headers has beyond its labels and values.
func (w *walker) headers(order []string, values map[string]cue.Value) {
	first := map[string]string{}
	for _, name := range order {
		lower := strings.ToLower(name)
		at := w.where(values[name])
		value, _ := values[name].String()
		if vendorsSecret[lower] && !w.unit.rehearses || secretForm.MatchString(value) {
			w.report(diag.Diagnostic{
				Code:    codeSecret,
				Summary: fmt.Sprintf("header %q carries a secret, expected headers without secrets", name),
				Path:    append(slices.Clone(w.path), name),
				Primary: diag.Label{Span: firstLine(at.value), Secret: true},
				Help:    []string{"remove the header and name the secret under credentials: gwc sends it in the header that the vendor expects"},
			})
		}
		before, again := first[lower]
		if !again {
			first[lower] = name
			continue
		}
		w.report(diag.Diagnostic{
			Code:      codeRepeated,
			Summary:   fmt.Sprintf("header %q stands twice in %s: case does not count", name, w.name()),
			Path:      append(slices.Clone(w.path), name),
			Primary:   diag.Label{Span: at.key},
			Secondary: []diag.Label{{Span: w.where(values[before]).key, Text: "first here"}},
		})
	}
}

func isDigits(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// formError is what is wrong with a text, after its quoted form.
type formError string

func (e formError) Error() string { return string(e) }

// parseDuration reads durations as the language writes them: whole numbers with the units ms, s, m and h.
func parseDuration(s string) (time.Duration, error) {
	switch {
	case isDigits(s):
		return 0, formError("has no unit")
	case !durationForm.MatchString(s):
		return 0, formError("is not a duration")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, formError("is too long")
	}
	return d, nil
}

// parseSize reads sizes: "512KB", powers of 1024.
func parseSize(s string) (int64, bool) {
	i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if i <= 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	units := map[string]uint{"B": 0, "KB": 10, "MB": 20, "GB": 30}
	shift, ok := units[s[i:]]
	if err != nil || !ok || n > 1<<32 {
		return 0, false
	}
	return n << shift, true
}

func checkAddress(s string) string {
	i := strings.LastIndexByte(s, ':')
	if strings.Contains(s, "://") {
		return "is a URL"
	}
	if i < 0 {
		return "has no port"
	}
	host, port := s[:i], s[i+1:]
	if n, err := strconv.ParseUint(port, 10, 32); err != nil || len(port) > 5 {
		return "has no port number"
	} else if n > 65535 {
		return "has a port above 65535"
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		if a, err := netip.ParseAddr(host[1 : len(host)-1]); err != nil || !a.Is6() {
			return "has no IPv6 address in its brackets"
		}
		return ""
	}
	if strings.Contains(host, ":") {
		return "has an IPv6 address without brackets"
	}
	if !hostNameForm.MatchString(host) {
		return "has no valid host"
	}
	return ""
}

func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case strings.ContainsAny(s, " \t\r\n"):
		return "has white space in it"
	case err != nil:
		return "is not a URL" // The error would quote it, and with it a password.
	case u.User != nil:
		return clear
	case u.Scheme != "http" && u.Scheme != "https":
		return `does not begin with "http://" or "https://"`
	case !strings.HasPrefix(s, u.Scheme+"://"):
		return `does not begin with "http://" or "https://"`
	case u.Hostname() == "":
		return "has no host"
	case u.Port() != "" && !validPort(u.Port()), strings.HasSuffix(u.Host, ":"):
		return "has no valid port"
	case u.RawQuery != "" || u.ForceQuery:
		return query
	case u.Fragment != "" || strings.Contains(s, "#"):
		return "has a fragment"
	}
	return ""
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
