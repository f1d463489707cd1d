package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

const objects = data + "/sobjects/"

// saved is the answer to a create or an upsert.
type saved struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Errors  []any  `json:"errors"`
	Created *bool  `json:"created"`
}

// put creates a record and returns its id.
func (o *org) put(object string, fields spec) string {
	o.t.Helper()
	return decode[saved](o.t, o.want(o.call("POST", objects+object, text(fields)), http.StatusCreated)).ID
}

// fields is what the org holds in the named fields of a record.
func (o *org) fields(object, id, names string) map[string]any {
	o.t.Helper()
	return decode[map[string]any](o.t, o.want(o.call("GET", objects+object+"/"+id+"?fields="+names, ""), http.StatusOK))
}

// none fails the test unless the answer has the status and no body.
func (o *org) none(a answer, status int) {
	o.t.Helper()
	if o.want(a, status); a.body != "" {
		o.t.Errorf("got %d with %q, want no body", a.status, a.body)
	}
}

func matches(t testing.TB, body, form string) {
	t.Helper()
	if !regexp.MustCompile("^" + form + "$").MatchString(body) {
		t.Errorf("got  %s\nwant %s", body, form)
	}
}

const anyID = `[A-Za-z0-9]{18}`

func TestRecordCreate(t *testing.T) {
	o := theOrg(t)
	t.Run("a create answers 201 with the id, success and no errors", func(t *testing.T) {
		a := o.want(o.call("POST", objects+"Account", text(spec{"Name": "Created"})), http.StatusCreated)
		matches(t, a.body, `\{"id":"`+anyID+`","success":true,"errors":\[\]\}`)
	})
	t.Run("a create that fails answers 400 with an array that names the fields", func(t *testing.T) {
		a := o.want(o.call("POST", objects+"Contact", text(spec{"FirstName": "No last name"})), http.StatusBadRequest)
		if a.body != `[{"message":"Required fields are missing: [LastName]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]}]` {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("an upsert with Id as its key and none given inserts every time", func(t *testing.T) {
		first := decode[saved](t, o.want(o.call("POST", objects+"Account/Id", text(spec{"Name": "Again"})), http.StatusCreated))
		second := decode[saved](t, o.want(o.call("POST", objects+"Account/Id", text(spec{"Name": "Again"})), http.StatusCreated))
		if first.ID == "" || first.ID == second.ID {
			t.Errorf("got %+v and %+v", first, second)
		}
		o.refused(o.call("POST", path("36.0", "/sobjects/Account/Id"), text(spec{"Name": "Too early"})), http.StatusNotFound, "NOT_FOUND")
	})
	t.Run("an Id is refused", func(t *testing.T) {
		o.refused(o.call("POST", objects+"Account", text(spec{"Name": "x", "Id": o.put("Account", spec{"Name": "y"})})), http.StatusBadRequest, "INVALID_FIELD_FOR_INSERT_UPDATE")
	})
	t.Run("a field that the object does not have is refused by name", func(t *testing.T) {
		if got := o.refused(o.call("POST", objects+"Account", text(spec{"Name": "x", "Nothing__c": "y"})), http.StatusBadRequest, "INVALID_FIELD"); got != "No such column 'Nothing__c' on sobject of type Account" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a field that nobody may write is refused by name", func(t *testing.T) {
		a := o.call("POST", objects+"Account", text(spec{"Name": "x", "CreatedDate": "2020-01-01T00:00:00Z"}))
		if got := o.refused(a, http.StatusBadRequest, "INVALID_FIELD_FOR_INSERT_UPDATE"); !strings.HasPrefix(got, "Unable to create/update fields: CreatedDate.") {
			t.Errorf("got %s", got)
		}
	})
	for _, tc := range []struct{ does, body, part string }{
		{"a text where a number belongs is the body's fault", `{"LastName":"x","Conf_Number__c":"many"}`, "Cannot deserialize instance of double from VALUE_STRING value many or request may be missing a required field at [line:1, column:"},
		{"a date in another form is the body's fault", `{"LastName":"x","Birthdate":"2.1.2020"}`, "Cannot deserialize instance of date from VALUE_STRING value 2.1.2020 or request may be missing a required field at [line:1, column:"},
		{"a number where a text belongs is the body's fault", `{"LastName":5}`, "Cannot deserialize instance of string from VALUE_NUMBER_INT value 5 or request may be missing a required field at [line:1, column:"},
		{"a list where a text belongs is the body's fault", `{"LastName":["x"]}`, "Cannot deserialize instance of string from START_ARRAY value ["},
		{"a body that ends too early is refused", `{"LastName":`, "end-of-input"},
		{"a body that is no JSON is refused", `<Contact/>`, ""},
		{"an empty body is refused", ``, "entity body is required"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := o.refused(o.call("POST", objects+"Contact", tc.body), http.StatusBadRequest, "JSON_PARSER_ERROR"); !strings.Contains(got, tc.part) {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("an object that the org does not have is not found", func(t *testing.T) {
		o.refused(o.call("POST", objects+"Nothing__c", "{}"), http.StatusNotFound, "NOT_FOUND")
	})
}

func TestRecordUpdate(t *testing.T) {
	o := theOrg(t)
	id := o.put("Contact", spec{"LastName": "Before", "FirstName": "A", "Email": "a@example.com", "Conf_Number__c": 1.5, "DoNotCall": true})
	path := objects + "Contact/" + id
	t.Run("an update answers 204 with no body", func(t *testing.T) {
		o.none(o.call("PATCH", path, text(spec{"LastName": "After"})), http.StatusNoContent)
	})
	t.Run("what the body leaves out stays, null and an empty text clear", func(t *testing.T) {
		o.none(o.call("PATCH", path, `{"Email":null,"FirstName":""}`), http.StatusNoContent)
		got := o.fields("Contact", id, "LastName,FirstName,Email,Conf_Number__c,DoNotCall")
		if got["LastName"] != "After" || got["FirstName"] != nil || got["Email"] != nil || got["Conf_Number__c"] != 1.5 || got["DoNotCall"] != true {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a parent is named by an object with one of its keys", func(t *testing.T) {
		account := o.put("Account", spec{"Name": "Parent", "Conf_Key__c": o.key("parent")})
		o.none(o.call("PATCH", path, text(spec{"Account": spec{"Conf_Key__c": o.key("parent")}})), http.StatusNoContent)
		if got := o.fields("Contact", id, "AccountId")["AccountId"]; got != account {
			t.Errorf("got %v, want %s", got, account)
		}
	})
	t.Run("the Id may not be repeated in the body", func(t *testing.T) {
		o.refused(o.call("PATCH", path, text(spec{"Id": id, "LastName": "x"})), http.StatusBadRequest, "INVALID_FIELD")
	})
	t.Run("a record that is not there is not found", func(t *testing.T) {
		o.refused(o.call("PATCH", objects+"Contact/003000000000000AAA", text(spec{"LastName": "x"})), http.StatusNotFound, "NOT_FOUND")
	})
	t.Run("a change since the time in If-Unmodified-Since answers 412", func(t *testing.T) {
		since := func(at time.Time) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("If-Unmodified-Since", at.UTC().Format(http.TimeFormat)) }
		}
		o.refused(o.call("PATCH", path, text(spec{"LastName": "x"}), since(time.Now().Add(-24*time.Hour))), http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		o.none(o.call("PATCH", path, text(spec{"LastName": "Again"}), since(time.Now().Add(24*time.Hour))), http.StatusNoContent)
	})
}

func TestRecordRead(t *testing.T) {
	o := theOrg(t)
	id := o.put("Account", spec{"Name": "Read", "Conf_Key__c": o.key("read"), "AnnualRevenue": 1200})
	t.Run("a record is found by its id in both forms and by an external id", func(t *testing.T) {
		for _, path := range []string{id, id[:15], "Conf_Key__c/" + o.key("read")} {
			got := decode[map[string]any](t, o.want(o.call("GET", objects+"Account/"+path, ""), http.StatusOK))
			if got["Id"] != id || got["Name"] != "Read" || got["Phone"] != nil {
				t.Errorf("%s got %v", path, got)
			}
		}
	})
	t.Run("fields are chosen by name and come in that order behind the attributes", func(t *testing.T) {
		a := o.want(o.call("GET", objects+"Account/"+id+"?fields=AnnualRevenue,Name", ""), http.StatusOK)
		matches(t, a.body, `\{"attributes":\{"type":"Account","url":"`+objects+`Account/`+id+`"\},"AnnualRevenue":1200(\.0)?,"Name":"Read"\}`)
	})
	t.Run("a deleted record answers 404 ENTITY_IS_DELETED", func(t *testing.T) {
		gone := o.put("Account", spec{"Name": "Gone"})
		o.none(o.call("DELETE", objects+"Account/"+gone, ""), http.StatusNoContent)
		for _, method := range []string{"GET", "PATCH"} {
			body := ""
			if method == "PATCH" {
				body = text(spec{"Name": "Back"})
			}
			o.refused(o.call(method, objects+"Account/"+gone, body), http.StatusNotFound, "ENTITY_IS_DELETED")
		}
	})
	t.Run("a field that is not there is refused", func(t *testing.T) {
		o.refused(o.call("GET", objects+"Account/"+id+"?fields=Nothing__c", ""), http.StatusBadRequest, "INVALID_FIELD")
	})
	t.Run("a record that did not change since the time in If-Modified-Since answers 304", func(t *testing.T) {
		since := func(at time.Time) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("If-Modified-Since", at.UTC().Format(http.TimeFormat)) }
		}
		o.none(o.call("GET", objects+"Account/"+id, "", since(time.Now().Add(24*time.Hour))), http.StatusNotModified)
		o.want(o.call("GET", objects+"Account/"+id, "", since(time.Now().Add(-24*time.Hour))), http.StatusOK)
	})
	t.Run("describe tells of a field what a client has to know", func(t *testing.T) {
		d := decode[struct {
			Name   string           `json:"name"`
			Fields []map[string]any `json:"fields"`
		}](t, o.want(o.call("GET", objects+"Contact/describe", ""), http.StatusOK))
		byName := map[any]map[string]any{}
		for _, f := range d.Fields {
			byName[f["name"]] = f
			for _, member := range []string{
				"name", "type", "label", "length", "nillable", "createable", "updateable", "externalId", "idLookup", "unique", "relationshipName", "referenceTo",
				"picklistValues", "restrictedPicklist", "defaultedOnCreate", "precision", "scale", "caseSensitive", "polymorphicForeignKey",
			} {
				if _, ok := f[member]; !ok {
					t.Errorf("%v lacks %s", f["name"], member)
				}
			}
		}
		if f := byName["Conf_Key__c"]; f["externalId"] != true || f["unique"] != true || f["length"] != 60.0 {
			t.Errorf("got %v", f)
		}
		if f := byName["AccountId"]; f["type"] != "reference" || f["relationshipName"] != "Account" {
			t.Errorf("got %v", f)
		}
	})
}

func TestRecordDelete(t *testing.T) {
	o := theOrg(t)
	t.Run("a delete answers 204 with no body, and 404 ENTITY_IS_DELETED when the record is gone already", func(t *testing.T) {
		id := o.put("Account", spec{"Name": "Gone"})
		o.none(o.call("DELETE", objects+"Account/"+id, ""), http.StatusNoContent)
		a := o.want(o.call("DELETE", objects+"Account/"+id, ""), http.StatusNotFound)
		if a.body != `[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]` {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("a record may be named by an external id", func(t *testing.T) {
		o.put("Account", spec{"Name": "Gone", "Conf_Key__c": o.key("gone")})
		o.none(o.call("DELETE", objects+"Account/Conf_Key__c/"+o.key("gone"), ""), http.StatusNoContent)
		o.refused(o.call("DELETE", objects+"Account/Conf_Key__c/"+o.key("gone"), ""), http.StatusNotFound, "NOT_FOUND")
	})
}

func TestRecordUpsert(t *testing.T) {
	o := theOrg(t)
	upsert := func(version, key string, fields spec, options string) answer {
		t.Helper()
		return o.call("PATCH", "/services/data/"+version+"/sobjects/Account/Conf_Key__c/"+url.PathEscape(key)+options, text(fields))
	}
	t.Run("one that creates answers 201 and created true, one that updates 200 and created false", func(t *testing.T) {
		key := o.key("up sert/1")
		created := o.want(upsert(version, key, spec{"Name": "One"}, ""), http.StatusCreated)
		matches(t, created.body, `\{"id":"`+anyID+`","success":true,"errors":\[\],"created":true\}`)
		updated := o.want(upsert(version, key, spec{"Name": "Two"}, ""), http.StatusOK)
		matches(t, updated.body, `\{"id":"`+decode[saved](t, created).ID+`","success":true,"errors":\[\],"created":false\}`)
	})
	t.Run("before version 46 it does not say created, and answers an update with 204", func(t *testing.T) {
		key := o.key("old")
		created := o.want(upsert("v45.0", key, spec{"Name": "One"}, ""), http.StatusCreated)
		matches(t, created.body, `\{"id":"`+anyID+`","success":true,"errors":\[\]\}`)
		o.none(upsert("v45.0", key, spec{"Name": "Two"}, ""), http.StatusNoContent)
	})
	t.Run("the external id field may not be repeated in the body", func(t *testing.T) {
		o.refused(upsert(version, o.key("twice"), spec{"Name": "x", "Conf_Key__c": o.key("twice")}, ""), http.StatusBadRequest, "INVALID_FIELD")
	})
	t.Run("updateOnly forbids it to create", func(t *testing.T) {
		o.refused(upsert(version, o.key("only"), spec{"Name": "x"}, "?updateOnly=true"), http.StatusNotFound, "NOT_FOUND")
		o.put("Account", spec{"Name": "x", "Conf_Key__c": o.key("only")})
		o.want(upsert(version, o.key("only"), spec{"Name": "y"}, "?updateOnly=true"), http.StatusOK)
	})
	t.Run("a value that several records have answers 300 with their paths", func(t *testing.T) {
		first := o.put("Account", spec{"Name": "x", "Conf_Group__c": o.key("many")})
		second := o.put("Account", spec{"Name": "x", "Conf_Group__c": o.key("many")})
		for _, method := range []string{"PATCH", "GET"} {
			body := ""
			if method == "PATCH" {
				body = text(spec{"Name": "y"})
			}
			a := o.want(o.call(method, objects+"Account/Conf_Group__c/"+o.key("many"), body), http.StatusMultipleChoices)
			paths := decode[[]string](t, a)
			if len(paths) != 2 || !strings.Contains(a.body, `"`+objects+"Account/"+first+`"`) || !strings.Contains(a.body, `"`+objects+"Account/"+second+`"`) {
				t.Errorf("%s got %s", method, a.body)
			}
		}
	})
	t.Run("a field that is no external id, or not there at all, is not found", func(t *testing.T) {
		for _, field := range []string{"Nothing__c", "Phone"} {
			if got := o.refused(o.call("PATCH", objects+"Account/"+field+"/x", text(spec{"Name": "x"})), http.StatusNotFound, "NOT_FOUND"); got != "The requested resource does not exist" {
				t.Errorf("%s got %s", field, got)
			}
		}
	})
}

func TestRecordsObeyTheOrg(t *testing.T) {
	o := aSim(t)
	t.Run("a record of REST is the caller's work and of no job", func(t *testing.T) {
		id := o.put("Account", spec{"Name": "Mine", "Conf_Key__c": "mine"})
		o.none(o.call("PATCH", objects+"Account/"+id, text(spec{"Name": "Still mine"})), http.StatusNoContent)
		rec, _ := o.sim.Record("Account", "mine")
		if rec.Count != 2 || rec.Seeded || rec.Versions[1].Job != "" || rec.Fields["Name"] != "Still mine" {
			t.Errorf("got %+v", rec)
		}
		user := decode[map[string]any](t, o.call("GET", "/services/oauth2/userinfo", ""))["user_id"]
		if got := o.fields("Account", id, "CreatedById,LastModifiedById"); got["CreatedById"] != user || got["LastModifiedById"] != user {
			t.Errorf("got %v, want %v", got, user)
		}
	})
	t.Run("objects of the system cannot be written", func(t *testing.T) {
		o.refused(o.call("POST", objects+"User", text(spec{"Username": "x"})), http.StatusBadRequest, "INVALID_TYPE_FOR_OPERATION")
		o.refused(o.call("DELETE", collections+"?ids="+o.sim.OrgID(), ""), http.StatusBadRequest, "INVALID_TYPE_FOR_OPERATION")
	})
	t.Run("a call of many records has an endpoint of its own, and the object of its first record", func(t *testing.T) {
		rule := o.sim.AddFault(simtest.Fault{
			Match:  simtest.Match{Endpoint: simtest.Collections, Object: "Contact", Operation: "insert"},
			Effect: simtest.Effect{Kind: simtest.DropAfter},
		})
		o.put("Contact", spec{"LastName": "One"})
		o.items(o.call("POST", collections, records(false, of("Account", spec{"Name": "x"}))))
		if a := o.call("POST", collections, records(false, of("Contact", spec{"LastName": "x", "Conf_Key__c": "lost"}))); a.err == nil {
			t.Errorf("got %d", a.status)
		}
		if rec, there := o.sim.Record("Contact", "lost"); !there || rec.Count != 1 || o.sim.Hits(rule) != 1 {
			t.Errorf("got %+v, %v", rec, there)
		}
	})
	t.Run("faults of rows strike records too", func(t *testing.T) {
		o.sim.AddFault(simtest.Fault{
			Match: simtest.Match{Object: "Account", Operation: "insert"}, Where: &simtest.Where{Keys: []string{"locked"}}, TimesPerKey: 1,
			Effect: simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError},
		})
		o.refused(o.call("POST", objects+"Account", text(spec{"Name": "x", "Conf_Key__c": "locked"})), http.StatusBadRequest, "UNABLE_TO_LOCK_ROW")
		o.put("Account", spec{"Name": "x", "Conf_Key__c": "locked"})
	})
}
