"""`mtdnn verify_release` without an installation."""

from mtdnn_tf.commands.using.verify_release import COMMAND

if __name__ == "__main__":
    COMMAND.run()
