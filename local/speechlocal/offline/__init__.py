"""Programs and images built here, from Go modules and Debian packages, where no container registry answers."""
