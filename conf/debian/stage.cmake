# Run by cpack before it packs what was installed: what Debian wants otherwise than `cmake --install` leaves it.
set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}")
set(documents "${root}/usr/share/doc/hangup")
file(REMOVE "${documents}/LICENSE")  # common-licenses has it
configure_file("${CPACK_HANGUP_DEBIAN}/copyright" "${documents}/copyright" COPYONLY)
configure_file("${CPACK_HANGUP_CHANGELOG}" "${documents}/changelog.Debian" COPYONLY)
file(GLOB compressed "${documents}/changelog.Debian" "${root}/usr/share/man/man?/*")
execute_process(COMMAND gzip -9n ${compressed} COMMAND_ERROR_IS_FATAL ANY)
