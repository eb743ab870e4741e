# shellcheck shell=bash
# What is written into the directory of the cluster: the manifests, and what makes them this cluster's. Sourced.

# The file $1 of the directory, from standard input; shown instead in a dry run.
write() {
  printf '+ write %q\n' "$directory/$1"
  if $dry_run; then
    sed 's/^/    /'
    return
  fi
  mkdir -p "$(dirname "$directory/$1")"
  cat >"$directory/$1"
}

# By its first line the directory is known again.
begin_directory() {
  step "Directory ($directory)"
  write README <<TEXT
$directory_mark

kustomization.yaml is yours: your patches go there, and no later run touches them. base/, components/, deployed/ and
kubecost/ are written again by each run of:

  $command_line
TEXT
  [ -e "$directory/kustomization.yaml" ] || write kustomization.yaml <<'YAML'
# Yours: deploy.sh wrote this file once, and leaves it alone. The directories beside it are written again by each run.
# Patches of your own go here: a schedule, more settings, limits on memory.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - deployed
YAML
}

# NAME, TAG and DIGEST of an image, as kustomize wants them: a registry's port is no tag.
kustomize_image() {
  local name=$1 last
  case $name in
    *@*) printf '    newName: %s\n    digest: %s\n' "${name%%@*}" "${name#*@}" && return ;;
  esac
  last=${name##*/}
  case $last in
    *:*) printf '    newName: %s\n    newTag: "%s"\n' "${name%:*}" "${last##*:}" ;;
    *) printf '    newName: %s\n    newTag: latest\n' "$name" ;;
  esac
}

# One setting of the config map, if it has a value.
setting() { [ -z "$2" ] || printf '  %s: "%s"\n' "$1" "$2"; }

write_settings() {
  {
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: chargeback\ndata:\n'
    setting CHARGEBACK_CLUSTER_ARN "$(cluster_arn)"
    setting CHARGEBACK_LAKE "$lake"
    setting CHARGEBACK_KUBECOST_URL "$kubecost_url"
    setting CHARGEBACK_GLUE_DATABASE "$database"
    setting CHARGEBACK_ATHENA_WORKGROUP "$workgroup"
    setting CHARGEBACK_CUR_TABLE "$published_table"
    setting CHARGEBACK_METRICS_NAMESPACE "$metrics_namespace"
  } | write deployed/settings.yaml
}

# One service account's role by annotation (IRSA); with Pod Identity the stack has said whose they are.
account_with_role() {
  printf '%s\n' --- 'apiVersion: v1' 'kind: ServiceAccount' metadata: "  name: $1" '  annotations:' \
    "    eks.amazonaws.com/role-arn: $2"
}

write_roles() {
  {
    account_with_role chargeback-collect "$collect_role"
    if ! $collects_alone; then
      account_with_role chargeback-verify "$verify_role"
      account_with_role chargeback-publish "$publish_role"
    fi
  } | write deployed/roles.yaml
}

# The bill's table follows its export: every day, since a new month has to be registered before it is seen.
write_publish() {
  write deployed/publish.yaml <<YAML
apiVersion: batch/v1
kind: CronJob
metadata:
  name: chargeback-publish
spec:
  schedule: "50 5 * * *"
  suspend: false
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: chargeback
              args: [publish, --cur-location, "$followed_location"]
YAML
}

# Kubecost is where the charts put it, or the policy has to let the runs out to where it is.
kubecost_is_elsewhere() {
  ! is_like "$kubecost_url" 'http://[a-z0-9-]+\.(kubecost:9090|opencost:9003)/?' &&
    ! is_like "$kubecost_url" 'https://[^/:]+(/.*)?'
}

# In the cluster a Service's port says nothing of its pods' ports: all of the namespace. Outside it is the port.
write_way_to_kubecost() {
  local host port
  host=${kubecost_url#*://}
  host=${host%%/*}
  port=80
  case $host in *:*) port=${host##*:} ;; esac
  host=${host%%:*}
  {
    printf '%s\n' 'apiVersion: networking.k8s.io/v1' 'kind: NetworkPolicy' metadata: '  name: chargeback-kubecost' \
      spec: '  egress:'
    if is_like "$host" '[a-z0-9-]+\.[a-z0-9-]+(\.svc(\..*)?)?'; then
      host=${host#*.}
      printf '    - to:\n        - namespaceSelector:\n            matchLabels:\n'
      printf '              kubernetes.io/metadata.name: %s\n' "${host%%.*}"
    else
      printf '    - to:\n        - ipBlock:\n            cidr: 0.0.0.0/0\n            except: [169.254.169.254/32]\n'
      printf '        - ipBlock:\n            cidr: ::/0\n            except: ["fd00:ec2::254/128"]\n'
      printf '      ports:\n        - protocol: TCP\n          port: %s\n' "$port"
    fi
  } | write deployed/kubecost.yaml
}

# Says of each patch which file it is, and takes away those that this cluster does not need any more.
write_patches() {
  local name patches=$1
  printf 'patches:\n'
  for name in settings roles publish kubecost; do
    case " $patches " in
      *" $name "*) printf '  - path: %s.yaml\n' "$name" ;;
      *) $dry_run || rm -f "$directory/deployed/$name.yaml" ;;
    esac
  done
}

copy_manifests() {
  local part
  for part in base components; do
    [ -d "$checkout/cronjob/$part" ] || continue
    run rm -rf "$directory/$part"
    run cp -R "$checkout/cronjob/$part" "$directory/$part"
  done
}

write_overlay() {
  local patches=settings
  copy_manifests
  write_settings
  if [ "$identity" = irsa ]; then
    write_roles
    patches="$patches roles"
  fi
  if [ -n "$followed_location" ]; then
    write_publish
    patches="$patches publish"
  fi
  if kubecost_is_elsewhere; then
    write_way_to_kubecost
    patches="$patches kubecost"
  fi
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n'
    printf 'resources:\n  - ../base\n'
    if $collects_alone; then printf 'components:\n  - ../components/collect-alone\n'; fi
    printf 'images:\n  - name: emr-eks-chargeback\n'
    kustomize_image "$image"
    write_patches "$patches"
  } | write deployed/kustomization.yaml
}
