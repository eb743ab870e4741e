# shellcheck shell=bash
# How the image is built for each kind of node, and pushed to the lake's registry. Sourced, never run.

# The first of docker, podman and finch that answers; nothing where none does.
image_builder() {
  local builder
  for builder in docker podman finch; do
    if has "$builder" && "$builder" info >/dev/null 2>&1; then
      printf '%s' "$builder"
      return
    fi
  done
}

# The version, and a checksum of all that goes into the image: what is pushed under a tag never changes.
image_tag() {
  local version sum name sources=(Dockerfile .dockerignore) sha256=(shasum -a 256)
  if has sha256sum; then sha256=(sha256sum); fi
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$checkout/pyproject.toml")
  while IFS= read -r name; do
    sources+=("$name")
  done < <(sed -n 's/^!//p' "$checkout/.dockerignore")
  sum=$(cd "$checkout" && find "${sources[@]}" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z |
    xargs -0 "${sha256[@]}" | "${sha256[@]}") || return 1
  printf '%s-%s' "$version" "${sum:0:12}"
}

# Whether the registry has the tag $1 already.
image_is_pushed() {
  local found
  found=$(unless_absent 'ImageNotFoundException|RepositoryNotFoundException' aws ecr describe-images \
    --region "$region" --repository-name emr-eks-chargeback --image-ids "imageTag=$1" \
    --query 'imageDetails[0].imageDigest' --output text) || return 1
  [ -n "$(some "$found")" ]
}

# The password goes from one command to the other, and is never an argument.
log_in() {
  printf '+ aws ecr get-login-password --region %q | %q login --username AWS --password-stdin %q\n' "$region" "$1" "$2"
  $dry_run || aws ecr get-login-password --region "$region" | "$1" login --username AWS --password-stdin "$2"
}

# Builds the image $2 with $1 and pushes it, one manifest for all platforms.
build_and_push() {
  case $1 in
    docker)
      # Docker's own builder makes one platform at a time; this one makes several.
      docker buildx inspect chargeback >/dev/null 2>&1 ||
        run docker buildx create --name chargeback --driver docker-container
      run docker buildx build --builder chargeback --platform "$platforms" --tag "$2" --push "$checkout"
      ;;
    podman)
      # What an interrupted run left would otherwise get the same platforms a second time.
      if podman manifest exists "$2"; then run podman manifest rm "$2"; fi
      run podman build --platform "$platforms" --manifest "$2" "$checkout"
      run podman manifest push --all "$2" "docker://$2"
      ;;
    finch)
      run finch build --platform="$platforms" --tag "$2" "$checkout"
      run finch push --all-platforms "$2"
      ;;
  esac
}

# Sets image to what the cluster is to pull: the one that was given, or one that is built unless it is there.
provide_image() {
  local tag
  [ -z "$image" ] || return 0
  tag=$(image_tag)
  image=$repository:$tag
  if image_is_pushed "$tag"; then
    printf '%s is in the registry already.\n' "$image"
    return
  fi
  log_in "$builder" "${repository%%/*}"
  build_and_push "$builder" "$image"
}
