package pipeline_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bulkhead/libs/pipeline"
)

func shipped(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "deploy", "config", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no shipped %s: %v", folder, err)
	}
	out := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = data
	}
	return out
}

func TestShippedConfiguration(t *testing.T) {
	headers := map[string][]string{
		"accounts": {"External_Id__c", "Name", "Phone", "Website", "Industry"},
		"contacts": {"External_Id__c", "FirstName", "LastName", "Email", "Phone", "Account.External_Id__c", "Loyalty_Number__c"},
	}
	for file, data := range shipped(t, "pipelines") {
		t.Run(file+" is a definition without warnings", func(t *testing.T) {
			d, warnings, err := pipeline.ParseDefinition(data)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v, %v", err, warnings)
			}
			if d.Name+".yaml" != file || !slices.Equal(d.Header(), headers[d.Name]) {
				t.Errorf("%s has the columns %v", d.Name, d.Header())
			}
		})
	}
	for file, data := range shipped(t, "orgs") {
		t.Run(file+" is an org", func(t *testing.T) {
			o, err := pipeline.ParseOrg(data)
			if err != nil {
				t.Fatal(err)
			}
			if o.Name+".yaml" != file || o.ClientSecretEnv != "BULKHEAD_ORG_MAIN_SECRET" || o.Orphans != pipeline.OrphansReport {
				t.Errorf("%+v", o)
			}
		})
	}
}
