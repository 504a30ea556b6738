# `cpack -G DEB` in the build directory makes the Debian package. It needs dpkg-dev and file.
# Who builds it for others sets who answers for it, such as
# cmake --preset release -DHANGUP_PACKAGE_MAINTAINER="Example Distribution <hangup@packages.example.com>"
set(HANGUP_PACKAGE_MAINTAINER "The hangup maintainers <maintainers@hangup.invalid>" CACHE STRING
    "Who answers for the Debian package: NAME <ADDRESS>")

set(CPACK_PACKAGE_NAME hangup)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT ${HANGUP_PACKAGE_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "reverse proxy that notices when the client hangs up")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Stands in front of a backend, usually on the same machine. When a client
leaves before it has its response, hangup aborts the request at the backend
and calls the cleanup webhook that the route names, until it is acknowledged,
through a crash of its own too; one log line says what happened.
.
The service is neither enabled nor started: configure it in
/etc/hangup/hangup.yaml first.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)

# Absolute paths as well: /etc.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS bash-completion)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_CURRENT_LIST_DIR}/conffiles ${CMAKE_CURRENT_LIST_DIR}/postinst ${CMAKE_CURRENT_LIST_DIR}/prerm
    ${CMAKE_CURRENT_LIST_DIR}/postrm)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/stage.cmake)
configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog.in ${PROJECT_BINARY_DIR}/debian/changelog @ONLY)
set(CPACK_HANGUP_DEBIAN ${CMAKE_CURRENT_LIST_DIR})
set(CPACK_HANGUP_CHANGELOG ${PROJECT_BINARY_DIR}/debian/changelog)
include(CPack)
