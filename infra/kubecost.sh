# shellcheck shell=bash
# How Kubecost is installed on Amazon Managed Service for Prometheus, and marked as installed by us. Sourced, never run.

kubecost_chart=oci://public.ecr.aws/kubecost/cost-analyzer
installed_url=http://kubecost-cost-analyzer.kubecost:9090

# What a placeholder of kubecost-values.yaml stands for.
placeholder() {
  case $1 in
    REGION) printf '%s' "$region" ;;
    ACCOUNT_ID) printf '%s' "$account" ;;
    CLUSTER_NAME) printf '%s' "$cluster" ;;
    REMOTE_WRITE_URL) printf '%s' "$remote_write_url" ;;
    QUERY_URL) printf '%s' "$query_url" ;;
    RESULTS_BUCKET) printf '%s' "$results_bucket" ;;
    WORKGROUP) printf '%s' "$workgroup" ;;
    BILL_DATABASE) printf '%s' "${bill_table%.*}" ;;
    BILL_TABLE) printf '%s' "${bill_table#*.}" ;;
    SPOT_DATA_FEED_BUCKET) printf '%s' "$(bucket_of "$spot_data_feed")" ;;
    SPOT_DATA_FEED_PREFIX) printf '%s' "$(prefix_of "$spot_data_feed")" ;;
    *)
      printf >&2 'kubecost-values.yaml: nobody knows what the placeholder %s stands for.\n' "$1"
      return 1
      ;;
  esac
}

# kubecost-values.yaml with its placeholders filled; comments stay as they are.
filled_values() {
  local line name value pattern='\$\{([A-Z_]+)\}'
  while IFS= read -r line || [ -n "$line" ]; do
    if ! is_like "$line" '[[:space:]]*#.*'; then
      while [[ $line =~ $pattern ]]; do
        name=${BASH_REMATCH[1]}
        value=$(placeholder "$name")
        line=${line%%"\${$name}"*}$value${line#*"\${$name}"}
      done
    fi
    printf '%s\n' "$line"
  done <"$here/kubecost-values.yaml"
}

# The mark says what destroy.sh may take away: the namespace too, or only the release in it.
mark_namespace() {
  local mark
  mark=$(kubecost_installed)
  [ -z "$mark" ] || return 0
  if [ -n "$(kubectl get namespace kubecost --ignore-not-found --output name)" ]; then
    run kubectl label namespace kubecost "$kubecost_mark=release"
    return
  fi
  write kubecost/namespace.yaml <<YAML
apiVersion: v1
kind: Namespace
metadata:
  name: kubecost
  labels:
    $kubecost_mark: namespace
YAML
  run kubectl create --filename "$directory/kubecost/namespace.yaml"
}

# A helm that was interrupted leaves a release that it will not touch again by itself.
clear_interrupted_release() {
  case $(helm status kubecost --namespace kubecost --output yaml 2>/dev/null | sed -n 's/^  status: *//p') in
    pending-install) run helm uninstall kubecost --namespace kubecost --wait ;;
    pending-upgrade | pending-rollback) run helm rollback kubecost --namespace kubecost --wait ;;
  esac
}

# With IRSA both service accounts name the role; with Pod Identity the stack has said so.
role_values() {
  [ "$identity" = irsa ] || return 0
  printf '%s\n' --set-string "serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=$1" \
    --set-string "prometheus.serviceAccounts.server.annotations.eks\\.amazonaws\\.com/role-arn=$1"
}

install_kubecost() {
  local stack role word words=()
  stack=$(kubecost_stack "$cluster")
  deploy_stack "$region" "$stack" kubecost.yaml \
    "ClusterName=$cluster" "OidcProvider=$oidc_provider" KubecostNamespace=kubecost \
    "BillBucket=$(bucket_of "$bill_location")" "BillDatabase=${bill_table%.*}" "BillTable=${bill_table#*.}" \
    "ResultsBucket=$results_bucket" "WorkgroupName=$workgroup" "SpotDataFeedBucket=$(bucket_of "$spot_data_feed")"
  remote_write_url=$(needed_output "$region" "$stack" RemoteWriteUrl)
  query_url=$(needed_output "$region" "$stack" QueryUrl)
  role=$(needed_output "$region" "$stack" KubecostRoleArn)
  while IFS= read -r word; do
    words+=("$word")
  done < <(role_values "$role")
  filled_values | write kubecost/values.yaml
  mark_namespace
  clear_interrupted_release
  run helm upgrade kubecost "$kubecost_chart" --install --version "$kubecost_version" --namespace kubecost \
    --values "$directory/kubecost/values.yaml" ${words[@]+"${words[@]}"} --wait --timeout 15m
}
