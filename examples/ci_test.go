package examples

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// pipeline is a CI file: jobs in the order of their stages.
type pipeline struct {
	env  map[string]string
	jobs []job
}

type job struct {
	name  string
	env   map[string]string
	steps []step
}

// step is a script; uses are actions in the place of scripts, which only a server of the vendor runs.
type step struct {
	env    map[string]string
	script string
	uses   string
	shell  []string // flags of bash
}

// github reads the workflow, strictly: a key that the test does not know is one whose meaning it would miss.
func github(t *testing.T) pipeline {
	t.Helper()
	type steps struct {
		Name, Uses, Run, If string
		With                map[string]any
		Env                 map[string]string
	}
	type jobs struct {
		If, Needs, Environment string
		RunsOn                 string `yaml:"runs-on"`
		Permissions            map[string]string
		Env                    map[string]string
		Steps                  []steps
	}
	var f struct {
		Name        string
		On          map[string]any
		Permissions map[string]string
		Concurrency map[string]any
		Env         map[string]string
		Jobs        map[string]jobs
	}
	decode(t, "ci/github.yml", &f)
	if len(f.Permissions) != 1 || f.Permissions["contents"] != "read" {
		t.Errorf("what every job may do is %v, want to read contents and nothing else", f.Permissions)
	}
	may := map[string]map[string]string{
		"check": {"contents": "read", "security-events": "write"},
		"plan":  {"contents": "read", "pull-requests": "write"},
	}
	out := pipeline{env: f.Env}
	for _, name := range []string{"check", "plan", "build"} {
		j, ok := f.Jobs[name]
		if !ok || len(f.Jobs) != 3 {
			t.Fatalf("the jobs are not check, plan and build")
		}
		for scope, level := range j.Permissions {
			if may[name][scope] != level {
				t.Errorf("job %s may %s %s, which it has no use for", name, level, scope)
			}
		}
		to := job{name: name, env: j.Env}
		for _, s := range j.Steps {
			if (s.Run == "") == (s.Uses == "") {
				t.Errorf("a step of job %s has not one of run and uses", name)
			}
			if s.Uses == "actions/checkout@v4" && s.With["persist-credentials"] != false {
				t.Errorf("job %s leaves the token in the working copy", name)
			}
			if strings.Contains(s.Run, "${{") {
				t.Errorf("job %s puts an expression into a script, where its text becomes code: %s", name, s.Run)
			}
			to.steps = append(to.steps, step{env: s.Env, script: s.Run, uses: s.Uses, shell: []string{"-e"}})
		}
		out.jobs = append(out.jobs, to)
	}
	return out
}

// gitlab reads the other file.
func gitlab(t *testing.T) pipeline {
	t.Helper()
	type jobs struct {
		Stage, Environment string
		Interruptible      bool
		Rules              []map[string]string
		Variables          map[string]string
		Script             []string
		Artifacts          struct {
			When    string
			Paths   []string
			Reports map[string]string
		}
	}
	var f struct {
		Stages  []string
		Default struct {
			Image         string
			Interruptible bool
			BeforeScript  []string `yaml:"before_script"`
		}
		Workflow           map[string]any
		Check, Plan, Build jobs
	}
	decode(t, "ci/gitlab-ci.yml", &f)
	out := pipeline{}
	for i, j := range []jobs{f.Check, f.Plan, f.Build} {
		if i >= len(f.Stages) || j.Stage != f.Stages[i] {
			t.Errorf("job %d is of stage %q; the stages are %q", i, j.Stage, f.Stages)
		}
		to := job{name: j.Stage, env: j.Variables}
		for _, s := range append(slices.Clone(f.Default.BeforeScript), j.Script...) {
			to.steps = append(to.steps, step{script: s, shell: []string{"-e", "-o", "pipefail"}})
		}
		out.jobs = append(out.jobs, to)
	}
	return out
}

func decode(t *testing.T, file string, to any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestActionsArePinned holds that the workflow uses actions of GitHub's own and no others, by their major versions.
func TestActionsArePinned(t *testing.T) {
	known := []string{"actions/checkout@v4", "actions/setup-go@v5", "actions/upload-artifact@v4", "github/codeql-action/upload-sarif@v3"}
	for _, j := range github(t).jobs {
		for _, s := range j.steps {
			if s.uses != "" && !slices.Contains(known, s.uses) {
				t.Errorf("job %s uses %s", j.name, s.uses)
			}
		}
	}
}

// TestCommandsOfCIAreThoseOfGWC asks the command for help with each line's flags, which it refuses where it has no such
// flag.
func TestCommandsOfCIAreThoseOfGWC(t *testing.T) {
	n := 0
	for _, p := range []pipeline{github(t), gitlab(t)} {
		for _, j := range p.jobs {
			for _, s := range j.steps {
				for line := range strings.Lines(s.script) {
					fields := strings.Fields(line)
					if len(fields) == 0 || fields[0] != "gwc" {
						continue
					}
					n++
					for i := range fields {
						fields[i] = strings.Trim(fields[i], `"`)
					}
					play(t, t.TempDir(), 0, append(fields[1:], "--help")...)
				}
			}
		}
	}
	if n < 16 {
		t.Errorf("only %d commands were found", n)
	}
}

// TestCIRuns runs both pipelines in a repository in git, as a pull request and as what it leads to on main, with
// stand-ins for what only the vendors have: the installation, and the comments, which are kept in a file.
func TestCIRuns(t *testing.T) {
	for name, read := range map[string]func(*testing.T) pipeline{"github": github, "gitlab": gitlab} {
		t.Run(name, func(t *testing.T) {
			p := read(t)
			c := newCI(t)

			// A change that a reviewer would take: a new limit.
			c.commit("tenants/acme/apps/demo.cue", "requests: 600", "requests: 900", "tests/first.cue", "600", "900")
			for _, j := range p.jobs {
				if code, out := c.run(p, j); code != 0 {
					t.Fatalf("job %s ended with %d\n%s", j.name, code, out)
				}
			}
			c.holds("gwc.sarif", `"version":"2.1.0"`)
			var suites struct{ XMLName xml.Name }
			if err := xml.Unmarshal(c.file("gwc-tests.xml"), &suites); err != nil {
				t.Errorf("gwc-tests.xml: %v", err)
			}
			if !json.Valid(c.file("plan.json")) {
				t.Error("plan.json is not JSON")
			}
			c.holds("plan.md", "<!-- gwc plan -->\n")
			if out, _ := play(t, c.dir, 0, "verify", "gateway.gwca", "--key", c.key+".pub"); !strings.Contains(out, "ci") {
				t.Errorf("the artifact is not signed by the key: %s", out)
			}
			if got := c.comments(); len(got) != 1 || !strings.HasPrefix(got[0], "POST <!-- gwc plan -->") {
				t.Fatalf("comments after the first push: %q", got)
			}

			// One that breaks callers: the comment is edited, and then the gate refuses.
			c.commit("tenants/acme/apis/petstore/api.cue", `basePath: "/petstore/v1"`, `basePath: "/pets/v1"`, "tests/first.cue", "/petstore/v1", "/pets/v1")
			code, out := c.run(p, p.jobs[1])
			if code != 3 {
				t.Errorf("a breaking change: the job ended with %d, want 3\n%s", code, out)
			}
			if got := c.comments(); len(got) != 2 || !regexp.MustCompile(`^(PATCH|PUT) <!-- gwc plan -->`).MatchString(got[1]) {
				t.Errorf("comments after the second push: %q", got)
			}

			// One that is wrong: it stops in the first job, and the findings are there for upload.
			c.commit("platform/models.cue", "targets:", "tragets:")
			if code, _ := c.run(p, p.jobs[0]); code != 1 {
				t.Errorf("a typo: the job ended with %d, want 1", code)
			}
			c.holds("gwc.sarif", "GWC1203")
		})
	}
}

// ci is a machine of a CI server.
type ci struct {
	t    *testing.T
	dir  string // the working copy
	bin  string // stand-ins
	key  string
	base string
}

func newCI(t *testing.T) *ci {
	t.Helper()
	for _, tool := range []string{"git", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: there is no %s", tool)
		}
	}
	c := &ci{t: t, dir: filepath.Join(t.TempDir(), "repo"), bin: t.TempDir(), key: filepath.Join(t.TempDir(), "ci")}
	name, err := gwc()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(name, filepath.Join(c.bin, "gwc")); err != nil {
		t.Fatal(err)
	}
	nothing := "#!/bin/bash\n"
	// The stand-ins for the vendors' interfaces keep the comment in a file, and what was asked for in another.
	keep := `printf '%s %s\n' "$method" "$(head -n 1 "$body")" >> "$CI_STATE/log"; cp "$body" "$CI_STATE/comment"`
	for tool, script := range map[string]string{
		"go": nothing, "apt-get": nothing,
		"gh": `#!/bin/bash
method=GET
for ((i = 1; i <= $#; i++)); do
	next=$((i + 1))
	case "${!i}" in
	--method) method=${!next} ;;
	body=@*) body=${!i#body=@} ;;
	esac
done
if [ "$method" = GET ]; then
	if [ -e "$CI_STATE/comment" ] && grep -q '^<!-- gwc plan -->' "$CI_STATE/comment"; then echo 7; fi
	exit 0
fi
` + keep,
		"curl": `#!/bin/bash
method=GET
for ((i = 1; i <= $#; i++)); do
	next=$((i + 1))
	case "${!i}" in
	-X) method=${!next} ;;
	body@*) body=${!i#body@} ;;
	esac
done
if [ "$method" = GET ]; then
	if [ -e "$CI_STATE/comment" ]; then echo found; fi
	exit 0
fi
` + keep,
		"jq": "#!/bin/bash\nif grep -q found; then echo 7; fi\n",
	} {
		if err := os.WriteFile(filepath.Join(c.bin, tool), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	play(t, filepath.Dir(c.dir), 0, "init", c.dir)
	play(t, c.bin, 0, "keygen", c.key)
	c.git("init", "-q", "-b", "main")
	c.git("add", "-A")
	c.git("commit", "-qm", "first")
	c.base = strings.TrimSpace(c.git("rev-parse", "HEAD"))
	return c
}

func (c *ci) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=ci", "-c", "user.email=ci@company.example", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// commit takes the last commit's state, replaces texts in files, and commits that: FILE OLD NEW, again and again.
func (c *ci) commit(edits ...string) {
	c.t.Helper()
	for e := range slices.Chunk(edits, 3) {
		name := filepath.Join(c.dir, e[0])
		b, err := os.ReadFile(name)
		if err != nil {
			c.t.Fatal(err)
		}
		changed := strings.ReplaceAll(string(b), e[1], e[2])
		if changed == string(b) {
			c.t.Fatalf("%s does not hold %q", e[0], e[1])
		}
		if err := os.WriteFile(name, []byte(changed), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	c.git("add", "-A")
	c.git("commit", "-qm", "change")
}

// expression is one of GitHub's, or a variable of GitLab's in a variable.
var expression = regexp.MustCompile(`\$\{\{\s*([^}]+?)\s*\}\}|\$([A-Z0-9_]+)`)

// run runs a job's scripts and returns the exit code of the first that fails.
func (c *ci) run(p pipeline, j job) (int, string) {
	c.t.Helper()
	private, err := os.ReadFile(c.key + ".key")
	if err != nil {
		c.t.Fatal(err)
	}
	given := map[string]string{
		"github.event.pull_request.base.sha": c.base, "github.token": "a-token", "github.repository": "acme/gateway",
		"github.event.pull_request.number": "12", "secrets.GWC_SIGNING_KEY": strings.TrimSpace(string(private)),
		"CI_MERGE_REQUEST_DIFF_BASE_SHA": c.base, "CI_API_V4_URL": "https://git.company.example/api/v4", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "12",
	}
	env := []string{
		"PATH=" + c.bin + ":/usr/bin:/bin", "HOME=" + c.bin, "GWC_CACHE=off", "CI_STATE=" + c.bin, "GITHUB_REPOSITORY=acme/gateway", "RUNNER_TEMP=" + c.t.TempDir(),
		"GWC_SIGNING_KEY=" + c.key + ".key", "GWC_NOTES_TOKEN=a-token",
	}
	set := func(m map[string]string) {
		for name, value := range m {
			env = append(env, name+"="+expression.ReplaceAllStringFunc(value, func(x string) string {
				m := expression.FindStringSubmatch(x)
				v, ok := given[m[1]+m[2]]
				if !ok {
					c.t.Fatalf("job %s: the test knows nothing of %s", j.name, x)
				}
				return v
			}))
		}
	}
	set(p.env)
	set(j.env)
	var out strings.Builder
	for _, s := range j.steps {
		if s.script == "" {
			continue
		}
		before := env
		set(s.env)
		cmd := exec.Command("bash", append(slices.Clone(s.shell), "-c", s.script)...)
		cmd.Dir, cmd.Env = c.dir, env
		b, err := cmd.CombinedOutput()
		out.Write(b)
		env = before
		var e *exec.ExitError
		if errors.As(err, &e) {
			return e.ExitCode(), out.String()
		} else if err != nil {
			c.t.Fatal(err)
		}
	}
	return 0, out.String()
}

func (c *ci) file(name string) []byte {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

func (c *ci) holds(name, want string) {
	c.t.Helper()
	if !strings.Contains(string(c.file(name)), want) {
		c.t.Errorf("%s does not hold %q:\n%s", name, want, c.file(name))
	}
}

// comments returns what was asked of the vendor, in order: the method and the comment's first line.
func (c *ci) comments() []string {
	b, err := os.ReadFile(filepath.Join(c.bin, "log"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
