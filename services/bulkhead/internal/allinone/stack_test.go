package allinone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/libs/service"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

const model = `objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Name, type: string, length: 255, required: true}
      - {name: External_Id__c, type: string, length: 64, externalId: true, unique: true, caseSensitive: true}
  - name: Runway__c
    keyPrefix: "a00"
    fields:
      - {name: Ref__c, type: string, length: 64, externalId: true, unique: true}
      - {name: Airport__c, type: reference, referenceTo: Account, relationshipName: Airport__r}
`

const runways = `apiVersion: bulkhead/v1
kind: Pipeline
name: runways
dependsOn: [airports]
owner: Field Systems
org: main
object: Runway__c
operation: upsert
externalId: Ref__c
map:
  - {from: id, to: Ref__c, type: string, required: true}
  - {from: airport, to: Airport__r.External_Id__c, type: string}
lanes: 2
`

func startStack(t *testing.T, o Options) (*Stack, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o.LogTo, o.Level = t.Output(), service.LogLevel()
	s, err := Start(ctx, o)
	if err == nil {
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

func TestStack(t *testing.T) {
	dir := directory(t, map[string]string{"z.yaml": "name: airports"})
	for name, text := range map[string]string{"a.yaml": runways, "model.yml.txt": model} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := startStack(t, Options{PipelinesDir: dir, SimModelFile: filepath.Join(dir, "model.yml.txt")})
	if err != nil {
		t.Fatal(err)
	}
	ops, err := opsclient.New(s.OpsHTTP, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("has every definition of the directory, in the org of the model", func(t *testing.T) {
		list, _, err := ops.Pipelines(t.Context())
		if err != nil || len(list.GetPipelines()) != 2 {
			t.Fatal(list, err)
		}
		p := list.GetPipelines()[1]
		if p.GetName() != "runways" || p.GetOwner() != "Field Systems" || !slices.Equal(p.GetDependsOn(), []string{"airports"}) || p.GetObject() != "Runway__c" || p.GetKeyField() != "Ref__c" || p.GetOperation() != "upsert" {
			t.Errorf("%v", p)
		}
	})
	t.Run("compares a definition with the org, and names what is nearest", func(t *testing.T) {
		for wrong, want := range map[string]string{
			strings.Replace(runways, "object: Runway__c", "object: Runways__c", 1):               "did you mean Runway__c?",
			strings.Replace(runways, "Airport__r.External_Id__c", "Airport__r.Name", 1):          "Account.Name is no external id",
			strings.Replace(runways, "Airport__r.External_Id__c", "Airprt__r.External_Id__c", 1): "did you mean Airport__r?",
			strings.Replace(runways, "dependsOn: [airports]", "dependsOn: [runways]", 1):         "depend on itself",
		} {
			_, _, err := ops.PutPipeline(t.Context(), &opsv1.PutPipelineRequest{Name: "runways", Yaml: wrong})
			e, ok := errors.AsType[*opsclient.Error](err)
			if !ok || e.Code != codes.InvalidArgument || !strings.Contains(e.Message, want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	})
	t.Run("lists revisions, tells them apart and brings one back", func(t *testing.T) {
		put, _, err := ops.PutPipeline(t.Context(), &opsv1.PutPipelineRequest{Name: "runways", Yaml: strings.Replace(runways, "lanes: 2", "lanes: 3", 1)})
		if err != nil || put.GetPipeline().GetRevision() != 2 {
			t.Fatal(put, err)
		}
		diff, _, err := ops.Diff(t.Context(), "runways", 1, 2)
		if err != nil || !strings.Contains(diff.GetDiff(), "+lanes: 3") || len(diff.GetChanges()) != 1 {
			t.Errorf("%v, %v", diff, err)
		}
		back, _, err := ops.RollbackPipeline(t.Context(), &opsv1.RollbackPipelineRequest{Name: "runways", Revision: 1, Reason: "a test"})
		if err != nil || !back.GetChanged() || back.GetPipeline().GetYaml() != runways {
			t.Errorf("%v, %v", back, err)
		}
		list, _, err := ops.Revisions(t.Context(), "runways")
		if err != nil || len(list.GetRevisions()) != 3 || !list.GetRevisions()[0].GetCurrent() || list.GetRevisions()[1].GetCurrent() {
			t.Errorf("%v, %v", list, err)
		}
	})
}

func TestStackRefuses(t *testing.T) {
	t.Run("an object model that is none, by its file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "model.yaml")
		if err := os.WriteFile(file, []byte("objects: []"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := startStack(t, Options{SimModelFile: file})
		if e, ok := errors.AsType[*ModelError](err); !ok || e.File != file {
			t.Errorf("error %v", err)
		}
	})
}
