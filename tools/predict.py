"""`mtdnn predict` without an installation."""

from mtdnn_tf.commands.using.predict import COMMAND

if __name__ == "__main__":
    COMMAND.run()
