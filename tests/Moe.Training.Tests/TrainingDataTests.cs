using static TorchSharp.torch;

namespace Moe.Training.Tests;

public sealed class TrainingDataTests
{
    [Fact]
    public void It_holds_what_it_was_given()
    {
        using var scope = NewDisposeScope();
        var (inputs, targets, mask, ids) = (zeros(3, 2), zeros(3), ones(3, 2, dtype: ScalarType.Bool), ones(3, 2, dtype: ScalarType.Int64));

        var data = new TrainingData(inputs, targets, mask, ids);

        data.Inputs.Should().BeSameAs(inputs);
        data.Targets.Should().BeSameAs(targets);
        data.Mask.Should().BeSameAs(mask);
        data.TokenIds.Should().BeSameAs(ids);
        data.Count.Should().Be(3);
    }

    [Fact]
    public void Numbers_of_samples_and_types_that_do_not_fit_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var inputs = zeros(3, 2);

        Refused(() => new TrainingData(zeros(0, 2), zeros(0)), "inputs", "Expected inputs with at least 1 sample, got shape [0, 2].*");
        Refused(() => new TrainingData(tensor(1.0), zeros(1)), "inputs", "Expected inputs with at least 1 sample, got shape [].*");
        Refused(() => new TrainingData(inputs, zeros(4)), "targets", "Expected targets with 3 samples, as the inputs have, got shape [4].*");
        Refused(() => new TrainingData(inputs, zeros(3), zeros(2, dtype: ScalarType.Bool)), "mask", "Expected mask with 3 samples, as the inputs have, got shape [2].*");
        Refused(() => new TrainingData(inputs, zeros(3), zeros(3)), "mask", "Expected mask of type Bool (true = a real token), got Float32.*");
        Refused(() => new TrainingData(inputs, zeros(3), null, zeros(2, dtype: ScalarType.Int64)), "tokenIds", "Expected tokenIds with 3 samples, as the inputs have, got shape [2].*");
        Refused(() => new TrainingData(inputs, zeros(3), null, zeros(3)), "tokenIds", "Expected tokenIds of type Int64, got Float32.*");
        Refused(() => new TrainingData(inputs, zeros(3, device: META)), "targets", "Expected targets on device cpu, where the inputs are, got meta.*");
        Refused(() => new TrainingData(null!, zeros(3)), "inputs", "*");
        Refused(() => new TrainingData(inputs, null!), "targets", "*");

        static void Refused(Func<TrainingData> make, string parameter, string message) =>
            make.Should().Throw<ArgumentException>().WithMessage(message).WithParameterName(parameter);
    }
}
