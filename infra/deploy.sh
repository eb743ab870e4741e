#!/usr/bin/env bash
# From an EKS cluster to cost per job: stacks, cost report, Kubecost, image, CronJobs, the first publish, doctor.
# docs/deploy.md explains each step. Every step looks at what is there first, so a second run goes on where one stopped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(dirname "$here")
# shellcheck source=infra/steps.sh
. "$here/steps.sh"
# shellcheck source=infra/arguments.sh
. "$here/arguments.sh"
# shellcheck source=infra/standing.sh
. "$here/standing.sh"
# shellcheck source=infra/rights.sh
. "$here/rights.sh"
# shellcheck source=infra/identity.sh
. "$here/identity.sh"
# shellcheck source=infra/image.sh
. "$here/image.sh"
# shellcheck source=infra/kubecost.sh
. "$here/kubecost.sh"
# shellcheck source=infra/overlay.sh
. "$here/overlay.sh"
# shellcheck source=infra/jobs.sh
. "$here/jobs.sh"

command_line=$(printf '%q ' "$0" "$@")
set_defaults() {
  installs_kubecost=false makes_report=false builder=''
  [ -n "$directory" ] || directory=$PWD/chargeback-$cluster
  directory_mark="What deploy.sh wrote for the cluster $cluster."
  case $directory in /*) ;; *) directory=$PWD/$directory ;; esac
  if [ -z "$kubecost_url" ]; then
    installs_kubecost=true
    kubecost_url=$installed_url
    kubecost_version=${kubecost_version:-2.8.4}
  fi
  if $collects_alone; then without_bill=true; fi
  if ! $without_bill && [ -z "$bill_table" ]; then makes_report=true; fi
  platforms=${platforms:-linux/amd64,linux/arm64}
}

check_tools() {
  local tool tools='aws kubectl'
  if $installs_kubecost; then tools="$tools helm"; fi
  for tool in $tools; do
    has "$tool" || lacks "$tool: install it, and have it on the PATH."
  done
  if [ -z "$image" ]; then
    builder=$(image_builder)
    [ -n "$builder" ] || lacks 'docker, podman or finch, installed and running, to build the image; or --image IMAGE.'
  fi
  if $installs_kubecost && has helm; then
    is_like "$(helm version --short 2>/dev/null)" 'v(3\.([89]|[1-9][0-9]).*|[4-9].*)' ||
      lacks 'helm 3.8 or later, which can read charts from a registry.'
  fi
}

# Only a directory that deploy.sh made, for this cluster, is written into.
check_directory() {
  [ -e "$directory" ] || return 0
  if [ ! -d "$directory" ] || { [ -n "$(ls -A "$directory")" ] &&
    ! grep -q -x -F -e "$directory_mark" "$directory/README" 2>/dev/null; }; then
    lacks "--directory: $directory holds something else; give one that is new, or that deploy.sh wrote for $cluster."
  fi
}

check_bill() {
  local found
  if $makes_report && [ "$partition" != aws ]; then
    lacks "a bill: AWS has no Data Exports for CloudFormation in $partition; give --cur-table, or --without-bill."
  fi
  bill_was_looked_at=true
  if [ -n "$bill_location" ]; then
    if ! found=$(first_key "$bill_location" 2>"$scratch/error"); then
      # The payer's bucket may let in the roles, and nobody else.
      if ! grep -q AccessDenied "$scratch/error"; then lacks "--cur-location: $(tail -n 1 "$scratch/error")"; fi
      bill_was_looked_at=false
    elif [ -z "$found" ]; then
      lacks "--cur-location: there is nothing in $bill_location."
    fi
  elif [ -n "$bill_table" ]; then
    found=$(aws glue get-table --region "$region" --database-name "${bill_table%.*}" --name "${bill_table#*.}" \
      --query Table.StorageDescriptor.Location --output text 2>"$scratch/error" || true)
    bill_location=$(some "$found")
    [ -n "$bill_location" ] || lacks "--cur-table: $bill_table in Glue in $region: $(tail -n 1 "$scratch/error")"
  fi
}

# The first key below the folder $1; nothing where there is none.
first_key() {
  local found
  found=$(aws s3api list-objects-v2 --bucket "$(bucket_of "$1")" --prefix "$(prefix_of "$1")/" --max-keys 1 \
    --no-paginate --query 'Contents[0].Key' --output text) || return 1
  some "$found"
}

check_cluster() {
  if ! find_cluster; then
    lacks "the right to see the cluster (eks:DescribeCluster)."
  elif [ -z "$cluster_status" ]; then
    lacks "the cluster $cluster: there is none of that name in $region of account $account."
  elif [ "$cluster_status" != ACTIVE ]; then
    lacks "an active cluster: $cluster is $cluster_status."
  elif is_like "$cluster_version" '1\.(1?[0-9]|2[0-6])'; then
    lacks "Kubernetes 1.27 or later: $cluster has $cluster_version."
  elif has kubectl && ! point_at_cluster; then
    lacks "a way into the cluster: $(tail -n 1 "$scratch/error")"
  elif has kubectl; then
    check_cluster_rights
    if $installs_kubecost; then check_kubecost; fi
  fi
}

# A Kubecost that somebody else installed is never touched. Ours needs volumes.
check_kubecost() {
  local elsewhere drivers
  kubecost_is_new=false
  if ! elsewhere=$(kubectl get services --all-namespaces --field-selector metadata.name=kubecost-cost-analyzer \
    --output 'jsonpath={.items[*].metadata.namespace}' 2>"$scratch/error"); then
    lacks "a look at the services of all namespaces, where a Kubecost may be: $(tail -n 1 "$scratch/error")"
    return 0
  fi
  if [ -n "$elsewhere" ] && [ -z "$(kubecost_installed)" ]; then
    lacks "a cluster without Kubecost: there is one that deploy.sh did not install. Take it:\
 --kubecost-url http://kubecost-cost-analyzer.${elsewhere%% *}:9090"
  fi
  [ -n "$elsewhere" ] || kubecost_is_new=true
  if ! drivers=$(kubectl get csidrivers --output name 2>"$scratch/error"); then
    lacks "a look at the cluster's CSI drivers: $(tail -n 1 "$scratch/error")"
    return 0
  fi
  case $drivers in
    *ebs.csi*) ;;
    *) lacks 'the Amazon EBS CSI driver in the cluster, for the volumes of Kubecost; or --kubecost-url.' ;;
  esac
}

check_stacks() {
  check_stack "$region" "$lake_stack"
  if $collects_alone && [ -z "$(stack_status "$region" "$lake_stack")" ]; then
    lacks "--collect-alone: the stack $lake_stack in $region, of a cluster that keeps the ledger."
  fi
  check_stack "$region" "$(cluster_stack "$cluster")"
  if $installs_kubecost; then check_stack "$region" "$(kubecost_stack "$cluster")"; fi
  if $makes_report; then check_stack "$report_region" "$report_stack"; fi
}

check_everything() {
  check_forms
  check_combinations
  check_cluster_name
  check_region
  set_defaults
  check_tools
  [ -z "$cluster" ] || check_directory
  check_identity
  if [ -n "$caller" ] && [ -n "$region" ]; then
    check_bill
    if [ -n "$cluster" ]; then
      check_cluster
      check_stacks
      choose_identity
    fi
    if $checks_rights; then check_aws_rights; else rights_were_checked=false; fi
  fi
  refuse_if_lacking
}

show_plan() {
  printf 'Account %s, region %s, cluster %s, as %s.\n\n' "$account" "$region" "$cluster" "$caller"
  printf 'What is to be there, and what AWS charges for it:\n'
  printf '  stack %s: buckets, database, workgroup, registry, roles. %s\n' "$lake_stack" \
    'What lies in them; bytes that queries scan.'
  printf '  stack %s: roles of the pods, by %s. Nothing%s.\n' "$(cluster_stack "$cluster")" "$identity" \
    "${metrics_namespace:+ but metrics and alarms in CloudWatch}"
  if $makes_report; then
    printf '  stack %s in %s: a Cost and Usage Report. What lies in its bucket.\n' "$report_stack" "$report_region"
  elif $collects_alone; then
    printf '  no refresh, no verify, no publish: they are another cluster'"'"'s. Nothing.\n'
  elif $without_bill; then
    printf '  no bill: all cost stays estimated. Nothing.\n'
  else
    printf '  the bill: %s over %s, as it is. Nothing new.\n' "$bill_table" "$bill_location"
  fi
  if $installs_kubecost; then
    printf '  stack %s: a Prometheus workspace; Kubecost %s. Samples, queries; pods and volumes in the cluster.\n' \
      "$(kubecost_stack "$cluster")" "$kubecost_version"
  else
    printf '  Kubecost: %s, as it is. Nothing new.\n' "$kubecost_url"
  fi
  printf '  CronJobs in the namespace chargeback; their manifests in %s. A pod for minutes an hour.\n' "$directory"
  $bill_was_looked_at || printf '\nYou may not look into %s: whether the bill is there, only the roles can tell.\n' \
    "$bill_location"
  $rights_were_checked || printf '\nYour rights in AWS were not checked: IAM did not say, or was not asked.\n'
}

deploy_stack() {
  local region=$1 stack=$2 template=$3 status
  shift 3
  status=$(stack_status "$region" "$stack")
  if [ "$status" = ROLLBACK_COMPLETE ]; then # what the first attempt left can only be deleted
    run aws cloudformation delete-stack --region "$region" --stack-name "$stack"
    run aws cloudformation wait stack-delete-complete --region "$region" --stack-name "$stack"
  fi
  if ! run aws cloudformation deploy --region "$region" --stack-name "$stack" --template-file "$here/$template" \
    --capabilities CAPABILITY_NAMED_IAM --no-fail-on-empty-changeset --parameter-overrides "$@"; then
    tell_failures "$region" "$stack"
    return 1
  fi
}

make_report() {
  $makes_report || return 0
  step "Cost report ($report_stack, $report_region)"
  deploy_stack "$report_region" "$report_stack" cost-report.yaml ExportName=chargeback BillPrefix=cost
  bill_table=$own_bill
  bill_location=$(needed_output "$report_region" "$report_stack" BillLocation)
}

# The lake is everybody's: a cluster that only collects changes nothing of it.
make_lake() {
  step "Lake ($lake_stack)"
  if $collects_alone; then
    printf 'It is there.\n'
  else
    deploy_stack "$region" "$lake_stack" lake.yaml "BillBucket=$(bucket_of "$bill_location")" \
      "BillPrefix=$(prefix_of "$bill_location")" "BillDatabase=${bill_table%.*}"
  fi
  lake_bucket=$(needed_output "$region" "$lake_stack" LakeBucket)
  lake=$(needed_output "$region" "$lake_stack" Lake)
  results_bucket=$(needed_output "$region" "$lake_stack" ResultsBucket)
  database=$(needed_output "$region" "$lake_stack" DatabaseName)
  workgroup=$(needed_output "$region" "$lake_stack" WorkgroupName)
  repository=$(needed_output "$region" "$lake_stack" RepositoryUri)
}

make_roles() {
  local stack lake_prefix refreshes=true
  if $collects_alone; then refreshes=false; fi
  stack=$(cluster_stack "$cluster")
  step "Roles of the pods ($stack)"
  lake_prefix=$(prefix_of "$lake")
  deploy_stack "$region" "$stack" cluster.yaml "ClusterName=$cluster" "OidcProvider=$oidc_provider" \
    KubernetesNamespace=chargeback "LakeBucket=$lake_bucket" "LakePrefix=${lake_prefix:-chargeback}" \
    "ResultsBucket=$results_bucket" "DatabaseName=$database" "WorkgroupName=$workgroup" \
    "BillBucket=$(bucket_of "$bill_location")" "BillPrefix=$(prefix_of "$bill_location")" \
    "BillDatabase=${bill_table%.*}" "Refresh=$refreshes" "MetricsNamespace=$metrics_namespace" \
    "AlarmTopicArn=$alarm_topic" "DailyCostLimit=$daily_cost_limit"
  collect_role=$(needed_output "$region" "$stack" CollectRoleArn)
  verify_role=$(needed_output "$region" "$stack" VerifyRoleArn)
  publish_role=$(needed_output "$region" "$stack" PublishRoleArn)
}

# The bill is read once AWS has delivered it; until then all cost is estimated.
look_for_bill() {
  local delivered=''
  published_table=$bill_table followed_location=''
  if $makes_report; then
    case $bill_location in
      s3://*) delivered=$(first_key "$bill_location/metadata") ;; # no stack, no place: a dry run
    esac
    if [ -n "$delivered" ]; then
      followed_location=$bill_location
    else
      published_table=''
    fi
  elif $follows_export; then
    followed_location=$bill_location
  fi
}

apply_manifests() {
  step "CronJobs ($directory)"
  look_for_bill
  write_overlay
  run kubectl apply --kustomize "$directory"
}

# New roles take some seconds until AWS knows them everywhere.
publish() {
  if $collects_alone; then return 0; fi
  step 'First publish'
  if run_once publish; then return; fi
  printf 'Once more, in half a minute: AWS may not have known the new roles yet.\n'
  sleep 30
  run_once publish
}

ask_doctor() {
  step 'Doctor'
  run_once doctor && return
  if $installs_kubecost && $kubecost_is_new; then
    printf '\nKubecost is new, and has no whole hour yet. Ask again in three hours:\n'
    printf '  kubectl --namespace chargeback create job doctor-again --from cronjob/chargeback-doctor\n'
    return 0
  fi
  printf >&2 '\nAll of it is deployed; what doctor found above is left to do.\n'
  return 1
}

say_what_next() {
  step 'Done'
  printf 'Runs start at minute 5 of every hour. Costs: Athena, workgroup %s, database %s.\n' "$workgroup" "$database"
  printf 'The manifests are yours, in %s. Away with it all: infra/destroy.sh\n' "$directory"
  if $makes_report && [ -z "$published_table" ]; then
    printf '\nAWS has not delivered the bill yet, which takes up to a day at first. Until then all cost is estimated.\n'
    printf 'Run this again tomorrow, and the bill is read:\n  %s\n' "$command_line"
  fi
}

main() {
  read_arguments "$@"
  follows_export=false
  [ -z "$bill_location" ] || follows_export=true
  check_everything
  show_plan
  confirm 'Go on?'
  changing=true
  begin_directory
  make_report
  make_lake
  provide_identity
  make_roles
  if $installs_kubecost; then
    step "Kubecost $kubecost_version ($(kubecost_stack "$cluster"))"
    install_kubecost
  fi
  step 'Image'
  provide_image
  apply_manifests
  publish
  ask_doctor
  say_what_next
}

main "$@"
