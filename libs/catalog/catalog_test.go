package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/testkit"
)

const definition = `apiVersion: bulkhead/v1
kind: Pipeline
name: NAME
org: main
object: OBJECT
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: name, to: Name, type: string}
`

const orgText = `kind: Org
name: main
loginUrl: http://127.0.0.1:8082
auth: client_credentials
clientId: CLIENT
clientSecretEnv: CATALOG_TEST_SECRET
allowInsecureLoopback: true
`

// fixture is a catalog that reads as the submitter, an administrator who writes what ops would, and a clock to turn.
type fixture struct {
	*Catalog
	admin pg.DB

	mu   sync.Mutex
	time time.Time
}

func setup(t *testing.T) *fixture {
	t.Helper()
	db := testkit.NewLedger(t)
	f := &fixture{Catalog: New(db.Pool(t, "submitter")), admin: db.AdminPool(t), time: time.Unix(1e9, 0)}
	f.now = func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.time
	}
	return f
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(d)
}

func (f *fixture) define(t *testing.T, name string, revision int, object string) {
	t.Helper()
	text := strings.NewReplacer("NAME", name, "OBJECT", object).Replace(definition)
	if _, err := f.admin.Exec(t.Context(), "INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ($1, $2, $3::text, sha256(convert_to($3::text, 'UTF8')), 'test')", name, revision, text); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) org(t *testing.T, clientID string) {
	t.Helper()
	text := strings.ReplaceAll(orgText, "CLIENT", clientID)
	if _, err := f.admin.Exec(t.Context(), "INSERT INTO ops.orgs (name, yaml, applied_by) VALUES ('main', $1, 'test') ON CONFLICT (name) DO UPDATE SET yaml = excluded.yaml", text); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) objects(t *testing.T) string {
	t.Helper()
	defs, err := f.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range defs {
		all = append(all, d.Name+"="+d.Object)
	}
	return strings.Join(all, " ")
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	t.Run("the current ones are the newest revision of each, by name", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.define(t, "contacts", 1, "Lead")
		f.define(t, "contacts", 2, "Contact")
		f.define(t, "accounts", 1, "Account")
		if got := f.objects(t); got != "accounts=Account contacts=Contact" {
			t.Fatal(got)
		}
	})
	t.Run("a change is seen after five seconds, or at once when somebody says so", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.define(t, "contacts", 1, "A")
		f.objects(t)
		f.define(t, "contacts", 2, "B")
		if got := f.objects(t); got != "contacts=A" {
			t.Fatalf("it was read again too early: %s", got)
		}
		f.pass(freshFor)
		if got := f.objects(t); got != "contacts=B" {
			t.Fatal(got)
		}
		f.define(t, "contacts", 3, "C")
		f.Invalidate()
		if got := f.objects(t); got != "contacts=C" {
			t.Fatal(got)
		}
	})
	t.Run("an old revision can still be asked for, and knows its number", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.define(t, "contacts", 1, "A")
		f.define(t, "contacts", 2, "B")
		old, err := f.Definition(t.Context(), "contacts", 1)
		if err != nil || old.Object != "A" || old.Revision != 1 {
			t.Fatalf("%+v, %v", old, err)
		}
		again, err := f.Definition(t.Context(), "contacts", 1)
		if err != nil || again != old {
			t.Fatalf("it was read twice: %v", err)
		}
	})
	t.Run("each revision knows how its key field compared when it was applied", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.define(t, "contacts", 1, "A")
		f.define(t, "contacts", 2, "A")
		f.define(t, "others", 1, "A")
		if _, err := f.admin.Exec(t.Context(), "UPDATE ops.definitions SET case_sensitive = true WHERE name = 'contacts' AND revision = 2"); err != nil {
			t.Fatal(err)
		}
		defs, err := f.Current(t.Context())
		if err != nil || len(defs) != 2 || !defs[0].CaseSensitive || defs[0].Space() != "main/A/External_Id__c:exact" || defs[1].CaseSensitive {
			t.Fatalf("%+v, %v", defs, err)
		}
		for revision, exact := range map[int]bool{1: false, 2: true} {
			def, err := f.Definition(t.Context(), "contacts", revision)
			if err != nil || def.CaseSensitive != exact || (def.EntityHash("a") == def.EntityHash("A")) == exact {
				t.Fatalf("revision %d: %+v, %v", revision, def, err)
			}
		}
	})
	t.Run("one that does not exist is said to be missing, and is found once it is there", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		_, err := f.Definition(t.Context(), "contacts", 7)
		var missing *NotFoundError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), "contacts, revision 7") {
			t.Fatal(err)
		}
		f.define(t, "contacts", 7, "A")
		if _, err := f.Definition(t.Context(), "contacts", 7); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("one that cannot be read names pipeline and revision", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.define(t, "contacts", 3, "A\nmystery: 1")
		if _, err := f.Definition(t.Context(), "contacts", 3); err == nil || !strings.Contains(err.Error(), "contacts, revision 3") || !strings.Contains(err.Error(), "mystery") {
			t.Fatal(err)
		}
	})
	t.Run("many may ask at once", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.define(t, "contacts", 1, "A")
		f.org(t, "one")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					f.Invalidate()
					_, err := f.Current(t.Context())
					_, err2 := f.Client(t.Context(), "main")
					if err := errors.Join(err, err2); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestOrgs(t *testing.T) {
	t.Parallel()
	t.Run("a client is one until the org's document changes", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.org(t, "one")
		first, err := f.Client(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		f.pass(time.Hour)
		if again, err := f.Client(t.Context(), "main"); err != nil || again != first {
			t.Fatalf("another client for the same document: %v", err)
		}
		f.org(t, "two")
		f.Invalidate()
		changed, err := f.Client(t.Context(), "main")
		if err != nil || changed == first {
			t.Fatalf("the same client for another document: %v", err)
		}
		if doc, err := f.Org(t.Context(), "main"); err != nil || doc.ClientID != "two" {
			t.Fatalf("%+v, %v", doc, err)
		}
	})
	t.Run("a client is made anew when the ledger knows the org's id, which is its pin unless the document names one", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.org(t, "one")
		first, err := f.Client(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		see := func(id string) {
			if _, err := f.admin.Exec(t.Context(), "INSERT INTO submitter.orgs (name, org_id) VALUES ('main', $1) ON CONFLICT (name) DO UPDATE SET org_id = excluded.org_id", id); err != nil {
				t.Fatal(err)
			}
			f.Invalidate()
		}
		see("00D000000000001EAA")
		pinned, err := f.Client(t.Context(), "main")
		if err != nil || pinned == first {
			t.Fatalf("the same client although the org is known now: %v", err)
		}
		f.Invalidate()
		if again, err := f.Client(t.Context(), "main"); err != nil || again != pinned {
			t.Fatalf("another client although nothing changed: %v", err)
		}
		f.org(t, "one\norgId: 00D000000000002EAA")
		f.Invalidate()
		named, err := f.Client(t.Context(), "main")
		if err != nil || named == pinned {
			t.Fatalf("the same client for another document: %v", err)
		}
		see("00D000000000002EAA")
		if again, err := f.Client(t.Context(), "main"); err != nil || again != named {
			t.Fatalf("another client although the document's id has not changed: %v", err)
		}
	})
	t.Run("a client asks the circuit of its org, by name", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		f.org(t, "one")
		f.Through(func(org string) salesforce.Circuit { return shut(org) })
		client, err := f.Client(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Identity(t.Context()); !salesforce.IsHeldBack(err) || !strings.Contains(err.Error(), "closed for main") {
			t.Fatal(err)
		}
	})
	t.Run("an org that does not exist is said to be missing", func(t *testing.T) {
		t.Parallel()
		var missing *NotFoundError
		if _, err := setup(t).Client(t.Context(), "main"); !errors.As(err, &missing) {
			t.Fatal(err)
		}
	})
	t.Run("a database that is away is an error with the org's name", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.Client(ctx, "main"); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "main") {
			t.Fatal(err)
		}
	})
}

// shut is a circuit that lets nothing through.
type shut string

func (s shut) Allow(context.Context) (func(context.Context, salesforce.Verdict), error) {
	return nil, &salesforce.CircuitOpenError{Wait: time.Hour, Class: record.ClassTransient, Cause: "closed for " + string(s)}
}

func TestSecret(t *testing.T) {
	file := func(t *testing.T, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("is read anew at each login, so that a changed one is picked up", func(t *testing.T) {
		path := file(t, "old\n")
		ask := ConfigOf(&pipeline.Org{Name: "main", Auth: pipeline.AuthClientCredentials, ClientSecretFile: path}).ClientSecret
		for _, want := range []string{"old", "new"} {
			if err := os.WriteFile(path, []byte(want+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := ask(); err != nil || got != want {
				t.Fatalf("%q, %v", got, err)
			}
		}
	})
	t.Run("may come from the environment, and an unset variable is named", func(t *testing.T) {
		ask := ConfigOf(&pipeline.Org{Name: "main", Auth: pipeline.AuthClientCredentials, ClientSecretEnv: "CATALOG_TEST_SECRET"}).ClientSecret
		if _, err := ask(); err == nil || !strings.Contains(err.Error(), "CATALOG_TEST_SECRET") {
			t.Fatal(err)
		}
		t.Setenv("CATALOG_TEST_SECRET", "s3cret")
		if got, err := ask(); err != nil || got != "s3cret" {
			t.Fatalf("%q, %v", got, err)
		}
	})
	t.Run("is refused with the place to look at, and never repeated", func(t *testing.T) {
		for name, org := range map[string]*pipeline.Org{
			"absent":      {Name: "main", Auth: pipeline.AuthClientCredentials, ClientSecretFile: filepath.Join(t.TempDir(), "none")},
			"empty":       {Name: "main", Auth: pipeline.AuthClientCredentials, ClientSecretFile: file(t, "\n")},
			"too large":   {Name: "main", Auth: pipeline.AuthClientCredentials, ClientSecretFile: file(t, strings.Repeat("s3cret", maxSecret))},
			"a directory": {Name: "main", Auth: pipeline.AuthClientCredentials, ClientSecretFile: t.TempDir()},
			"not told of": {Name: "main", Auth: pipeline.AuthClientCredentials},
		} {
			got, err := ConfigOf(org).ClientSecret()
			if err == nil || !strings.Contains(err.Error(), "main") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	})
}
