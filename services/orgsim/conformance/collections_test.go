package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const collections = data + "/composite/sobjects"

// item is what became of one record of a collection.
type item struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Created *bool  `json:"created"`
	Errors  []struct {
		StatusCode string   `json:"statusCode"`
		Message    string   `json:"message"`
		Fields     []string `json:"fields"`
	} `json:"errors"`
}

// of is a record of a type, for a collection.
func of(object string, fields spec) spec {
	fields["attributes"] = spec{"type": object}
	return fields
}

func records(allOrNone bool, list ...spec) string {
	return text(spec{"allOrNone": allOrNone, "records": list})
}

func (o *org) items(a answer) []item {
	o.t.Helper()
	return decode[[]item](o.t, o.want(a, http.StatusOK))
}

// count is how many live records of an object hold a value in a field.
func (o *org) count(object, field, value string) int {
	o.t.Helper()
	return o.ask("SELECT COUNT() FROM " + object + " WHERE " + field + " = '" + value + "'").TotalSize
}

func TestCollections(t *testing.T) {
	o := theOrg(t)
	t.Run("records are created in order and answered in order, of several types in one call", func(t *testing.T) {
		a := o.call("POST", collections, records(false, of("Account", spec{"Name": "One", "Conf_Key__c": o.key("c1")}), of("Contact", spec{"FirstName": "no name"}),
			of("Contact", spec{"LastName": "Two", "Account": spec{"Conf_Key__c": o.key("c1")}})))
		o.want(a, http.StatusOK)
		matches(t, a.body, `\[\{"id":"`+anyID+`","success":true,"errors":\[\]\},`+
			`\{"success":false,"errors":\[\{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: \[LastName\]","fields":\["LastName"\]\}\]\},`+
			`\{"id":"`+anyID+`","success":true,"errors":\[\]\}\]`)
	})
	t.Run("the answer is 200 even if every record fails", func(t *testing.T) {
		for _, it := range o.items(o.call("POST", collections, records(false, of("Contact", spec{}), of("Contact", spec{})))) {
			if it.Success || it.ID != "" {
				t.Errorf("got %+v", it)
			}
		}
	})
	t.Run("an update names its records by id in small letters or as Id", func(t *testing.T) {
		first, second := o.put("Account", spec{"Name": "a"}), o.put("Account", spec{"Name": "b"})
		got := o.items(o.call("PATCH", collections, records(false, of("Account", spec{"id": first, "Name": "A"}), of("Account", spec{"Id": second, "Name": "B"}))))
		if !got[0].Success || !got[1].Success || got[0].ID != first || got[0].Created != nil || o.fields("Account", second, "Name")["Name"] != "B" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("an update without an id fails by itself", func(t *testing.T) {
		got := o.items(o.call("PATCH", collections, records(false, of("Account", spec{"Name": "A"}))))
		if got[0].Success || got[0].Errors[0].StatusCode != "MISSING_ARGUMENT" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("an upsert is of one type by an external id, and says which it created", func(t *testing.T) {
		o.put("Account", spec{"Name": "there", "Conf_Key__c": o.key("there")})
		got := o.items(o.call("PATCH", collections+"/Account/Conf_Key__c",
			records(false, of("Account", spec{"Name": "x", "Conf_Key__c": o.key("there")}), of("Account", spec{"Name": "x", "Conf_Key__c": o.key("new")}))))
		if len(got) != 2 || got[0].Created == nil || *got[0].Created || got[1].Created == nil || !*got[1].Created {
			t.Errorf("got %+v", got)
		}
		o.refused(o.call("PATCH", collections+"/Account/Conf_Key__c", records(false, of("Contact", spec{"LastName": "x", "Conf_Key__c": o.key("other")}))), http.StatusBadRequest, "INVALID_TYPE")
		o.refused(o.call("PATCH", collections+"/Account/Name", records(false, of("Account", spec{"Name": "x"}))), http.StatusNotFound, "NOT_FOUND")
	})
	t.Run("an upsert takes no id member", func(t *testing.T) {
		got := o.items(o.call("PATCH", collections+"/Account/Conf_Key__c", records(false, of("Account", spec{"id": o.put("Account", spec{"Name": "x"}), "Name": "x", "Conf_Key__c": o.key("id")}))))
		if got[0].Success || got[0].Errors[0].StatusCode != "INVALID_FIELD_FOR_INSERT_UPDATE" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("a delete names its records in the query", func(t *testing.T) {
		first, second := o.put("Account", spec{"Name": "a"}), o.put("Contact", spec{"LastName": "b"})
		got := o.items(o.call("DELETE", collections+"?ids="+first+","+second+","+first+"&allOrNone=false", ""))
		if len(got) != 3 || got[0].ID != first || !got[1].Success || got[2].Success || got[2].Errors[0].StatusCode != "ENTITY_IS_DELETED" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("a read answers in order, with null for what is not there", func(t *testing.T) {
		first, second := o.put("Account", spec{"Name": "a"}), o.put("Account", spec{"Name": "b"})
		for _, a := range []answer{
			o.call("POST", collections+"/Account", text(spec{"ids": []string{second, "001000000000000AAA", first}, "fields": []string{"Name", "Id"}})),
			o.call("GET", collections+"/Account?ids="+second+",001000000000000AAA,"+first+"&fields=Name,Id", ""),
		} {
			got := decode[[]map[string]any](t, o.want(a, http.StatusOK))
			if len(got) != 3 || got[0]["Name"] != "b" || got[0]["Id"] != second || got[1] != nil || got[2]["Id"] != first {
				t.Errorf("got %s", a.body)
			}
		}
	})
	t.Run("a member that nobody knows is passed over", func(t *testing.T) {
		got := o.items(o.call("POST", collections, text(spec{"colour": "red", "records": []spec{of("Account", spec{"Name": "x"})}})))
		if len(got) != 1 || !got[0].Success {
			t.Errorf("got %+v", got)
		}
	})
	for _, tc := range []struct{ does, body, code string }{
		{"a body that is no JSON is malformed", `{"records":[`, "JSON_PARSER_ERROR"},
		{"a body without records is malformed, whatever it has in their place", `{"record":[]}`, "MISSING_ARGUMENT"},
		{"a record of an unknown type is malformed", records(false, of("Nothing__c", spec{})), "INVALID_TYPE"},
		{"a record that does not name its type is malformed", text(spec{"records": []spec{{"Name": "x"}}}), "MISSING_ARGUMENT"},
		{"a field that the object does not have is malformed", records(false, of("Account", spec{"Name": "x"}), of("Account", spec{"Name": "x", "Nothing__c": "y"})), "INVALID_FIELD"},
	} {
		t.Run(tc.does, func(t *testing.T) { o.refused(o.call("POST", collections, tc.body), http.StatusBadRequest, tc.code) })
	}
	t.Run("more than 200 records are refused as a whole", func(t *testing.T) {
		const limit = "record limit reached. cannot submit more than 200 records in this call"
		list, ids := []spec{}, []string{}
		for i := range 201 {
			list = append(list, of("Account", spec{"Name": fmt.Sprint(i), "Conf_Group__c": o.key("too many")}))
			ids = append(ids, "001000000000000AAA")
		}
		for _, a := range []answer{
			o.call("POST", collections, records(false, list...)),
			o.call("PATCH", collections, records(false, list...)),
			o.call("PATCH", collections+"/Account/Conf_Key__c", records(false, list...)),
			o.call("DELETE", collections+"?ids="+strings.Join(ids, ","), ""),
			o.call("POST", collections+"/Account", text(spec{"ids": ids, "fields": []string{"Id"}})),
		} {
			if got := o.refused(a, http.StatusBadRequest, "EXCEEDED_ID_LIMIT"); got != limit {
				t.Errorf("got %s", got)
			}
		}
		got := o.items(o.call("POST", collections, records(false, list[:200]...)))
		if n := o.count("Account", "Conf_Group__c", o.key("too many")); len(got) != 200 || n != 200 {
			t.Errorf("got %d items, %d records", len(got), n)
		}
	})
	t.Run("types may change nine times in a call and no more", func(t *testing.T) {
		list := []spec{}
		for i := range 11 {
			r := of("Account", spec{"Name": "x"})
			if i%2 == 1 {
				r = of("Contact", spec{"LastName": "x"})
			}
			list = append(list, r)
		}
		if got := o.items(o.call("POST", collections, records(false, list[:10]...))); len(got) != 10 || !got[9].Success {
			t.Errorf("got %+v", got)
		}
		o.refused(o.call("POST", collections, records(false, list...)), http.StatusBadRequest, "LIMIT_EXCEEDED")
	})
	t.Run("there are none before version 42, and no upsert of them before 46", func(t *testing.T) {
		o.refused(o.call("POST", "/services/data/v41.0/composite/sobjects", records(false)), http.StatusNotFound, "NOT_FOUND")
		o.refused(o.call("PATCH", "/services/data/v45.0/composite/sobjects/Account/Conf_Key__c", records(false)), http.StatusNotFound, "NOT_FOUND")
	})
}

func TestCollectionsAllOrNone(t *testing.T) {
	o := theOrg(t)
	const rolledBack = "Record rolled back because not all records were valid and the request was using AllOrNone header"
	t.Run("one failure takes everything back, and the innocents say so", func(t *testing.T) {
		id := o.put("Account", spec{"Name": "before", "Conf_Group__c": o.key("all")})
		a := o.call("PATCH", collections+"/Account/Conf_Key__c", records(true, of("Account", spec{"Name": "one", "Conf_Key__c": o.key("a1"), "Conf_Group__c": o.key("all")}),
			of("Account", spec{"Conf_Key__c": o.key("a2"), "Conf_Group__c": o.key("all")})))
		got := o.items(a)
		if got[0].Success || got[0].ID != "" || got[0].Errors[0].StatusCode != "ALL_OR_NONE_OPERATION_ROLLED_BACK" || got[0].Errors[0].Message != rolledBack || len(got[0].Errors[0].Fields) != 0 {
			t.Errorf("got %s", a.body)
		}
		if got[1].Success || got[1].Errors[0].StatusCode != "REQUIRED_FIELD_MISSING" {
			t.Errorf("got %s", a.body)
		}
		if n := o.count("Account", "Conf_Group__c", o.key("all")); n != 1 {
			t.Errorf("%d records, want the one of before", n)
		}
		deleted := o.items(o.call("DELETE", collections+"?ids="+id+",001000000000000AAA&allOrNone=true", ""))
		if deleted[0].Success || deleted[0].Errors[0].StatusCode != "ALL_OR_NONE_OPERATION_ROLLED_BACK" || o.fields("Account", id, "Name")["Name"] != "before" {
			t.Errorf("got %+v", deleted)
		}
	})
	t.Run("without a failure everything stays", func(t *testing.T) {
		for _, it := range o.items(o.call("POST", collections, records(true, of("Account", spec{"Name": "x", "Conf_Group__c": o.key("good")}), of("Contact", spec{"LastName": "x"})))) {
			if !it.Success {
				t.Errorf("got %+v", it)
			}
		}
		if n := o.count("Account", "Conf_Group__c", o.key("good")); n != 1 {
			t.Errorf("%d records", n)
		}
	})
}
