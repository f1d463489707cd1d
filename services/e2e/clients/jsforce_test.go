//go:build clients

package clients

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bulkhead/services/e2e/internal/npm"
	"bulkhead/services/orgsim/simtest"
)

// onNode is a client that runs on Node: its packages, and the program node.
type onNode struct {
	npm.Tree
	node string
}

func install(dir string) (onNode, error) {
	tree, err := npm.Install(context.Background(), os.DirFS(dir))
	if err != nil {
		return onNode{}, err
	}
	node, err := npm.Node(context.Background())
	return onNode{tree, node}, err
}

// jsforce is the client as the lock file here names it, olderJSforce the one that the bench measures.
var (
	jsforce      = sync.OnceValues(func() (onNode, error) { return install("jsforce") })
	olderJSforce = sync.OnceValues(func() (onNode, error) { return install("../bench/clients/jsforce") })
)

// script runs one of the scripts below jsforce on an org.
func script(t *testing.T, s *simtest.Sim, name string) *steps {
	t.Helper()
	return scriptOf(t, jsforce, s, name)
}

func scriptOf(t *testing.T, client func() (onNode, error), s *simtest.Sim, name string) *steps {
	t.Helper()
	return read(t, runScript(t, client, s, name))
}

// runScript runs a script to whatever end it comes.
func runScript(t *testing.T, client func() (onNode, error), s *simtest.Sim, name string) answer {
	t.Helper()
	c, err := client()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := c.Beside(dir, filepath.Join("jsforce", "org.mjs"), filepath.Join("jsforce", name)); err != nil {
		t.Fatal(err)
	}
	return run(t, dir, bare(t, ofOrg(s)...), c.node, name)
}

// seedContacts puts contacts with keys PREFIX-0 to PREFIX-n-1 into the org, each below one of ten accounts.
func seedContacts(s *simtest.Sim, prefix string, n int) {
	var accounts, contacts []map[string]string
	for i := range 10 {
		accounts = append(accounts, map[string]string{"Name": fmt.Sprintf("Works %d", i), "External_Id__c": fmt.Sprintf("%s-A%d", prefix, i)})
	}
	s.Seed("Account", accounts...)
	for i := range n {
		contacts = append(contacts, map[string]string{
			"LastName": fmt.Sprintf("Alder %d", i), "External_Id__c": fmt.Sprintf("%s-%d", prefix, i), "Account.External_Id__c": fmt.Sprintf("%s-A%d", prefix, i%10),
		})
	}
	s.Seed("Contact", contacts...)
}

func TestJSforceSignsIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	said := script(t, s, "login.mjs")
	expired := `{"code":"INVALID_SESSION_ID","message":"Session expired or invalid"}`
	said.want("password", fmt.Sprintf(`{"works":true,"instance":true,"username":%q,"ids":true,"organization":%q}`, s.Username, s.OrgID()))
	said.want("logout", expired)
	said.want("wrong password", `{"code":"invalid_grant","message":"authentication failure"}`)
	said.want("client credentials", fmt.Sprintf(`{"works":true,"username":%q}`, s.Username))
	said.want("wrong secret", `{"code":"invalid_client","message":"invalid client credentials"}`)
	said.want("assertion", fmt.Sprintf(`{"works":true,"username":%q}`, s.Username))
	said.want("another assertion", `{"code":"invalid_grant","message":"invalid signature"}`)
	said.want("refresh token", `{"works":true}`)
	said.want("revoked refresh token", `{"code":"Error","message":"Unable to refresh session due to: expired access/refresh token"}`)
	said.want("soap", fmt.Sprintf(`{"works":true,"instance":true,"organization":%q}`, s.OrgID()))
	said.want("soap logout", expired)
	said.want("soap wrong password", `{"code":"Error","message":"INVALID_LOGIN: Invalid username, password, security token; or user locked out."}`)
	said.want("soap of today", `{"code":"Error","message":"UNSUPPORTED_API_VERSION: login() is not available in API version 65.0 and later; use OAuth"}`)
}

func TestJSforceLoads(t *testing.T) {
	t.Parallel()
	s := start(t)
	said := script(t, s, "ingest.mjs")
	t.Run("insert: rows that land and rows that fail, each with its reason", func(t *testing.T) {
		said.want("insert", `{"ok":2,"failed":2,"unprocessed":0,"created":["true","true"],"names":["Alder","Østberg 桜"],"id":"","errors":{
			"J-3":"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
			"J-4":"INVALID_EMAIL_ADDRESS:Email: invalid email address: not an address:Email --"}}`)
	})
	t.Run("update: a value, a null, and a row that is not there", func(t *testing.T) {
		said.want("update", `{"ok":1,"failed":1,"unprocessed":0,"created":["false"],"errors":{"003000000000000AAA":"INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"}}`)
	})
	t.Run("upsert: of a stream with other line ends and another delimiter, and of objects", func(t *testing.T) {
		said.want("upsert", `{"ok":2,"failed":1,"unprocessed":0,"created":{"J-2":"false","J-5":"true"},"errors":{
			"J-6":"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"}}`)
		said.want("upsert of objects", `{"ok":1,"failed":1,"unprocessed":0,"errors":{
			"J-8":"INVALID_FIELD:Failed to deserialize field at col 3. Due to, '3 February' is not a valid value for the type xsd:date:Birthdate --"}}`)
		holds(t, s, "Contact", "J-5", map[string]string{"LastName": "Elm; the \"tree\"\t", "Email": "elm@people.example"})
		holds(t, s, "Contact", "J-7", map[string]string{"LastName": "Gorse", "Birthdate": "1990-02-03"})
	})
	t.Run("delete: once, and no second time", func(t *testing.T) {
		said.want("delete", `{"ok":1,"failed":0,"unprocessed":0,"created":"false"}`)
		said.want("delete again", `{"ok":0,"failed":1,"unprocessed":0,"errors":["ENTITY_IS_DELETED:entity is deleted:--"],"id":true}`)
	})
	t.Run("hardDelete: only where the org allows it", func(t *testing.T) {
		if text := said.take("hardDelete refused", "message"); text == "" {
			t.Error("the refusal says nothing")
		}
		said.want("hardDelete refused", `{"code":"FEATURENOTENABLED"}`)
		said.want("hardDelete", `{"ok":1,"failed":0,"unprocessed":0}`)
		if left := s.Holding("Contact", "External_Id__c", "J-1", true); len(left) != 1 || !left[0].Deleted {
			t.Errorf("%v", left)
		}
		// It was written twice before: with all its columns, then with a null and a number.
		versions := s.Holding("Contact", "External_Id__c", "J-1", true)[0].Versions
		first, second := versions[0].Fields, versions[1].Fields
		if first["FirstName"] != `Ann, "A"` || first["Note__c"] != "one\ntwo" || first["DoNotCall"] != "true" || second["FirstName"] != "" || second["Score__c"] != "12.50" {
			t.Errorf("%v\n%v", first, second)
		}
	})
	t.Run("what cannot be loaded at all", func(t *testing.T) {
		said.want("column that is none", `{"code":"Error","message":"Ingest job failed to complete due to: InvalidBatch : Field name not found : Nickname"}`)
		said.want("object that is none", `{"code":"INVALIDJOB","message":"InvalidJob : Unable to find object: Nothing__c"}`)
	})
	rows(t, s, "Contact", 2)
}

func TestJSforceDrivesAJob(t *testing.T) {
	t.Parallel()
	s := start(t)
	said := script(t, s, "steps.mjs")
	t.Run("step by step to its results", func(t *testing.T) {
		said.want("steps", `{"seen":["open","close","jobComplete"],"opened":["Open","CSV","LF","COMMA",66],"before":"Open",
			"after":["JobComplete","V2Ingest",4,1],"ok":3,"failed":1,"unprocessed":0}`)
		said.take("second upload", "message")
		said.want("second upload", `{"code":"BULK_API_ERROR"}`)
		said.want("abort of a finished job", `{"code":"INVALIDJOBSTATE","message":"Aborting already Completed Job not allowed"}`)
		said.want("deleted", `{"code":"NOT_FOUND","message":"The requested resource does not exist"}`)
	})
	t.Run("an abort leaves what has not begun, and what landed", func(t *testing.T) {
		said.want("delete of an open job", `{"code":"API_ERROR","message":"Error encountered when deleting the job because the job is not terminated"}`)
		said.want("aborted before it began", `{"state":"Aborted","poll":{"code":"Error","message":"Job has been aborted"},"ok":0,"failed":0,"unprocessed":2}`)
		said.want("aborted halfway", `{"stuck":"JobPollingTimeout","state":"InProgress","processed":400,"ok":400,"failed":0,"unprocessed":600,"columns":["External_Id__c","LastName"]}`)
	})
	t.Run("a job that fails whole leaves every row unprocessed", func(t *testing.T) {
		said.want("wrong line ends", `{"poll":{"code":"Error","message":"Ingest job failed to complete due to: ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
			"ok":0,"failed":0,"unprocessed":1}`)
	})
	rows(t, s, "Contact", 403)
}

func TestJSforceQueriesInBulk(t *testing.T) {
	t.Parallel()
	s := start(t)
	seedContacts(s, "Q", 5000)
	said := script(t, s, "query.mjs")
	said.want("query", `{"rows":5000,"keys":5000,"columns":["Account.Name","External_Id__c","Id","LastName"],"one":["Alder 7","Works 7",18]}`)
	said.want("empty", `{"rows":0}`)
	said.want("queryAll", `{"gone":[["Q-7","true"]]}`)
	for step, code := range map[string]string{"unknown field": "INVALID_FIELD", "aggregate": "FEATURENOTENABLED"} {
		said.take(step, "message")
		said.want(step, `{"code":"`+code+`"}`)
	}
}

// TestJSforceDiesOfSeveralPages: jsforce writes the second page of a bulk query's results to a stream that ended with the first (its issue 1546).
func TestJSforceDiesOfSeveralPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Set(map[string]any{"query_page_rows": 1000})
	seedContacts(s, "Q", 2500)
	a := runScript(t, jsforce, s, "query_pages.mjs")
	if a.code != 1 || !strings.Contains(a.err, "ERR_STREAM_WRITE_AFTER_END") {
		t.Errorf("exit code %d\n%s%s", a.code, a.out, a.err)
	}
}

func TestJSforceWritesRecords(t *testing.T) {
	t.Parallel()
	s := start(t)
	said := script(t, s, "rest.mjs")
	t.Run("one by one", func(t *testing.T) {
		said.want("create", `{"success":true,"id":18,"row":["Alder",null,true,1.5,"1990-02-03","Contact"],"by":true}`)
		said.want("create without a name", `{"code":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]"}`)
		said.take("create twice", "message")
		said.want("create twice", `{"code":"DUPLICATE_VALUE"}`)
		said.want("update", `{"row":["Ann",null,"Alder"]}`)
		said.want("update of nothing", `{"code":"NOT_FOUND","message":"The requested resource does not exist"}`)
		said.want("upsert", `{"renamed":[true,false,true],"added":[true,true]}`)
		said.want("upsert of several", `{"code":"MULTIPLE_CHOICES","message":"Multiple records found"}`)
		said.want("delete", `{"code":"ENTITY_IS_DELETED","message":"entity is deleted"}`)
		said.want("delete again", `{"code":"ENTITY_IS_DELETED","message":"entity is deleted"}`)
	})
	t.Run("in collections", func(t *testing.T) {
		said.want("too many at once", `{"code":"EXCEEDED_ID_LIMIT","message":"record limit reached. cannot submit more than 200 records in this call"}`)
		said.want("collection", `{"saved":445,"REQUIRED_FIELD_MISSING: Required fields are missing: [LastName]":5}`)
		said.want("all or none", `{"REQUIRED_FIELD_MISSING: Required fields are missing: [LastName]":1,
			"ALL_OR_NONE_OPERATION_ROLLED_BACK: Record rolled back because not all records were valid and the request was using AllOrNone header":1}`)
		said.want("collection update", `{"saved":250}`)
		said.want("collection read", `{"rows":[["Dee","Dill 0"],null,["Dee","Dill 1"]]}`)
		said.want("collection upsert", `{"saved":1,"REQUIRED_FIELD_MISSING: Required fields are missing: [LastName]":1}`)
		said.want("collection delete", `{"saved":201}`)
	})
	t.Run("what the org says of itself", func(t *testing.T) {
		said.want("describe", `{"object":["Contact","Contact","003",true,true],"key":[true,true,true],"parent":[["Account"],"Account"],"name":[false,80],"number":[12,2]}`)
		said.want("describe of nothing", `{"code":"NOT_FOUND","message":"The requested resource does not exist"}`)
		said.want("describeGlobal", `{"objects":["Account","Contact","Organization","User"]}`)
		said.want("limits", `{"max":100000,"counted":true}`)
	})
	rows(t, s, "Contact", 1+445-201)
	holds(t, s, "Contact", "R-1", map[string]string{"FirstName": "Ann", "LastName": "Fir", "Score__c": ""})
}

func TestJSforceTurnsPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	seedContacts(s, "P", 4500)
	said := script(t, s, "pages.mjs")
	said.want("autoFetch", `{"total":4500,"rows":4500,"keys":4500,"done":true}`)
	said.want("by hand", `{"pages":[2000,2000,500]}`)
	said.want("streamed", `{"rows":4500}`)
	said.want("find", `{"rows":[["Alder 19","Works 9"],["Alder 18","Works 8"],["Alder 17","Works 7"]]}`)
	said.want("count", `{"n":4500}`)
	said.want("scanAll", `{"alive":4499,"all":4500}`)
	for step, code := range map[string]string{
		"no such field": "INVALID_FIELD", "no such object": "INVALID_TYPE", "no query": "MALFORMED_QUERY", "bad locator": "INVALID_QUERY_LOCATOR",
	} {
		said.take(step, "message")
		said.want(step, `{"code":"`+code+`"}`)
	}
}
