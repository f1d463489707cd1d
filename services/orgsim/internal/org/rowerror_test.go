package org_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	domain "bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/internal/org"
)

// ownErrors are the errors by which the simulator refuses rows of its own accord, by code, each with its texts and with
// what a client has to make of them.
var ownErrors = map[string]map[string]domain.Class{
	"ALL_OR_NONE_OPERATION_ROLLED_BACK": {
		"Record rolled back because not all records were valid and the request was using AllOrNone header": domain.ClassTransient,
	},
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": {
		"Veto: execution of BeforeInsert caused by: System.DmlException: no":                                                       domain.ClassCode,
		"Veto: execution of BeforeInsert caused by: System.DmlException: UNABLE_TO_LOCK_ROW, unable":                               domain.ClassContention,
		"Too many retries of batch save in the presence of Apex triggers with failures: 1 Number of retries: 2":                    domain.ClassTransient,
		"Slow: execution of BeforeUpdate caused by: System.QueryException: QUERY_TIMEOUT: Your query request was running too long": domain.ClassTransient,
	},
	"CIRCULAR_DEPENDENCY":   {"attempt to violate hierarchy constraints": domain.ClassCode},
	"DATE_OUT_OF_RANGE":     {"Born: date out of range: 0001-01-01": domain.ClassData},
	"DELETE_FAILED":         {"Your attempt to delete this record could not be completed because 1 other records refer to it": domain.ClassReference},
	"DUPLICATES_DETECTED":   {"Use one of these records?": domain.ClassDuplicate},
	"DUPLICATE_EXTERNAL_ID": {"Key: more than one record found for external id field: [001000000000001, 001000000000002]": domain.ClassDuplicate},
	"DUPLICATE_VALUE": {
		"Duplicate external id specified: 1":                                                domain.ClassDuplicate,
		"duplicate value found: Key__c duplicates value on record with id: 001000000000001": domain.ClassDuplicate,
	},
	"ENTITY_IS_DELETED": {"entity is deleted": domain.ClassReference},
	"ENTITY_IS_LOCKED":  {"entity is locked for editing": domain.ClassPermission},
	"FIELD_CUSTOM_VALIDATION_EXCEPTION": {
		"free: text": domain.ClassData,
		"The validation rule r could not be evaluated: no such overload": domain.ClassData,
	},
	"FIELD_FILTER_VALIDATION_EXCEPTION": {"Value does not exist or does not match filter criteria.": domain.ClassData},
	"INACTIVE_OWNER_OR_USER":            {"operation performed with inactive user [005000000000001]": domain.ClassReference},
	"INVALID_CROSS_REFERENCE_KEY":       {"invalid cross reference id": domain.ClassReference},
	"INVALID_EMAIL_ADDRESS":             {"Email: invalid email address: x": domain.ClassData},
	"INVALID_FIELD": {
		"Failed to deserialize field at col 1. Due to, 'x' is not a valid value for the type xsd:int": domain.ClassData,
		"Foreign key external ID: x not found for field Key__c in entity Account":                     domain.ClassReference,
		"More than one record found for external id field: Key__c in entity Account":                  domain.ClassData,
		"cannot specify both an external ID reference Account and a salesforce id, AccountId":         domain.ClassData,
		"more than one external ID reference specified for Account":                                   domain.ClassData,
		"No such column 'X' on sobject of type Account":                                               domain.ClassPermission,
	},
	"INVALID_FIELD_FOR_INSERT_UPDATE": {
		"cannot specify Id in an insert call": domain.ClassPermission,
		"Unable to create/update fields: A. Please check the security settings of this field and verify that it is read/write for your profile or permission set.": domain.ClassPermission,
		"Attempting to update (as part of an upsert) parent field A with new value x, current value y":                                                             domain.ClassData,
	},
	"INVALID_INPUT": {"the row has 1 values, the header has 2": domain.ClassData},
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": {"Level: bad value for restricted picklist field: x": domain.ClassData},
	"MALFORMED_ID":                        {"bad id 1": domain.ClassData, "Account ID: id value of incorrect type: 1": domain.ClassData},
	"MISSING_ARGUMENT":                    {"Id not specified in an update call": domain.ClassData, "Key__c not specified": domain.ClassData},
	"NUMBER_OUTSIDE_VALID_RANGE":          {"Score: value outside of valid range on numeric field: 1": domain.ClassData},
	"REQUIRED_FIELD_MISSING":              {"Required fields are missing: [A, B]": domain.ClassData},
	"STRING_TOO_LONG":                     {"Name: data value too large: x (max length=80)": domain.ClassData},
	"TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET": {"Name: text is not valid UTF-8": domain.ClassData},
	"UNABLE_TO_LOCK_ROW": {
		"unable to obtain exclusive access to this record or 1 records: 001000000000001": domain.ClassContention,
	},
}

// notOfRows are codes that refuse a whole request, by which no row of an upload ever fails.
var notOfRows = []string{"JSON_PARSER_ERROR"}

func TestTheClientKnowsEveryErrorOfTheSimulator(t *testing.T) {
	for code, texts := range ownErrors {
		for text, want := range texts {
			e := &org.RowError{Code: code, Message: text, Fields: []string{"A", "B"}}
			if got := salesforce.BuiltInClasses().Lookup(salesforce.ParseRowError(e.Error())).Class; got != want {
				t.Errorf("%s is of class %s, want %s", e.Error(), got, want)
			}
		}
	}
}

func TestNoErrorOfTheSimulatorIsLeftOut(t *testing.T) {
	made := map[string]bool{}
	for _, dir := range []string{".", "../bulk"} {
		for _, code := range codesIn(t, dir) {
			if !slices.Contains(notOfRows, code) {
				made[code] = true
			}
		}
	}
	for _, code := range slices.Sorted(maps.Keys(made)) {
		if ownErrors[code] == nil {
			t.Errorf("rows fail with %s, which has no text here", code)
		}
	}
	for code := range ownErrors {
		if !made[code] {
			t.Errorf("no row fails with %s any more", code)
		}
	}
}

// codesIn are the codes of the row errors that the package in a directory makes.
func codesIn(t *testing.T, dir string) (codes []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]ast.Expr{}
	add := func(e ast.Expr) {
		if name, ok := e.(*ast.Ident); ok {
			e = constants[name.Name]
		}
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			code, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
	}
	var parsed []*ast.File
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
				for i, name := range v.Names {
					constants[name.Name] = v.Values[i]
				}
			}
			return true
		})
	}
	for _, file := range parsed {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "rowError" {
					add(n.Args[0])
				}
			case *ast.CompositeLit:
				typ := n.Type
				if s, ok := typ.(*ast.SelectorExpr); ok {
					typ = s.Sel
				}
				if name, ok := typ.(*ast.Ident); !ok || name.Name != "RowError" {
					return true
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == "Code" {
						add(kv.Value)
					}
				}
			}
			return true
		})
	}
	return codes
}
