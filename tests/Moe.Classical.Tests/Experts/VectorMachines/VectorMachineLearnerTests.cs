using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class VectorMachineLearnerTests
{
    private static readonly VectorMachineOptions Exact = new() { Tolerance = 1e-9 };

    [Fact]
    public void All_settings_out_of_range_are_named_at_once()
    {
        var act = () => new VectorMachineLearner(new VectorMachineOptions
        {
            Cost = 0,
            Kernel = (VectorMachineKernel)9,
            Gamma = double.NaN,
            Degree = 0,
            Offset = -1,
            Folds = 1,
            Tolerance = 1,
            MaxIterations = 0,
        });
        var message = act.Should().Throw<ArgumentException>().Which.Message;
        foreach (var name in new[] { "Cost is 0", "Kernel is 9", "Gamma is NaN", "Degree is 0", "Offset is -1", "Folds is 1", "Tolerance is 1", "MaxIterations is 0" })
            message.Should().Contain(name);
    }

    [Fact]
    public void It_says_what_it_is()
    {
        var learner = new VectorMachineLearner();
        learner.Name.Should().Be("svm");
        learner.Weights.Should().Be(WeightSupport.Native);
        learner.OverfitsOwnRows.Should().BeTrue();
        Enum.GetValues<ResponseKind>().Where(learner.Takes).Should().Equal(ResponseKind.Class);
    }

    [Fact]
    public void A_plane_between_separable_rows_is_the_known_one_in_the_units_of_the_input()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Of([102, 100, 105, 101, 100, 100, 97, 102], 2, [0, 0, 1, 1], 2);
        var machine = data.Machine(Exact with { Cost = 1e6, Kernel = VectorMachineKernel.Linear, Standardise = false });

        // w = (1, 0) and the boundary at 101: decisions are the distance from it.
        machine.DecisionValues(tensor(new double[] { 102, 5, 101, 5, 90, 100 }, 3, 2)).Numbers().Should().BeEquivalentTo(
            [1.0, 0, -11], options => options.WithStrictOrdering().Using<double>(c => c.Subject.Should().BeApproximately(c.Expectation, 1e-6)).WhenTypeIs<double>());
        machine.SupportVectors.Should().Be(0);
        machine.Pairs.Should().Equal((0, 1));
    }

    [Fact]
    public void Standardised_columns_make_units_harmless()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(1, 90, 3);
        var scaled = new FitData(data.Inputs.mul(tensor(new[] { 1e-6, 1e9 })).add(tensor(new[] { 3.0, -1e9 })), data.Response);
        var one = data.Machine(Exact).DecisionValues(data.Inputs);
        var other = scaled.Machine(Exact).DecisionValues(scaled.Inputs);
        one.sub(other).abs().max().item<double>().Should().BeLessThan(1e-5);
    }

    [Fact]
    public void The_default_gamma_is_one_over_width_times_variance()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(1, 60, 2);
        data.Machine().Gamma.Should().BeApproximately(0.5, 1e-9);
        var all = data.Inputs.sub(data.Inputs.mean()).pow(2).mean().item<double>();
        data.Machine(new() { Standardise = false }).Gamma.Should().BeApproximately(1 / (2 * all), 1e-9);
        data.Machine(new() { Gamma = 0.7 }).Gamma.Should().Be(0.7);
    }

    [Theory]
    [InlineData(VectorMachineKernel.Linear)]
    [InlineData(VectorMachineKernel.Rbf)]
    [InlineData(VectorMachineKernel.Polynomial)]
    public void Every_kernel_finds_clouds_that_are_apart(VectorMachineKernel kernel)
    {
        using var scope = NewDisposeScope();
        var machine = MachineData.Clouds(2, 150, 3, 4).Machine(new() { Kernel = kernel });
        var fresh = MachineData.Clouds(3, 300, 3, 4);
        var (loss, accuracy) = MachineData.Score(machine.forward(fresh.Inputs), fresh.Response.Values);
        machine.Converged.Should().BeTrue();
        accuracy.Should().BeGreaterThan(0.97);
        loss.Should().BeLessThan(0.12);
    }

    [Fact]
    public void Probabilities_of_overlapping_clouds_come_near_the_true_ones()
    {
        using var scope = NewDisposeScope();
        var machine = MachineData.Clouds(4, 800, 2, 1).Machine(new() { Kernel = VectorMachineKernel.Linear });
        var answer = machine.forward(tensor(new double[] { -1, 0, -0.25, 1, 0, 0, 0.5, -1, 1, 0 }, 5, 2)).select(1, 0).Numbers();
        double[] x = [-1, -0.25, 0, 0.5, 1];
        for (var row = 0; row < 5; row++)
            answer[row].Should().BeApproximately(1 / (1 + Math.Exp(-2 * x[row])), 0.06);
    }

    [Fact]
    public void Rows_of_weight_zero_are_rows_removed()
    {
        using var scope = NewDisposeScope();
        var all = MachineData.Clouds(5, 90, 3, 1.5, [.. Enumerable.Range(0, 90).Select(row => row % 4 == 0 ? 0 : 1 + (row % 3))]);
        var kept = all.Select(tensor(Enumerable.Range(0, 90).Where(row => row % 4 != 0).Select(row => (long)row).ToArray()));
        var one = all.Machine(seed: 3);
        var other = kept.Machine(seed: 3);
        one.forward(all.Inputs).Numbers().Should().Equal(other.forward(all.Inputs).Numbers());
        var rows = one.OutOfSample();
        rows.size(0).Should().Be(90);
        rows[1].Numbers().Should().Equal(other.OutOfSample()[0].Numbers());
        rows[4].Numbers().Should().Equal(one.forward(all.Inputs)[4].Numbers());
    }

    [Fact]
    public void The_unit_of_weights_does_not_matter()
    {
        using var scope = NewDisposeScope();
        var random = new Random(1);
        double[] weights = [.. Enumerable.Range(0, 80).Select(_ => random.NextDouble())];
        var data = MachineData.Clouds(6, 80, 2, 1, weights);
        var expected = data.Machine(Exact).forward(data.Inputs);
        foreach (var unit in new[] { 1e-300, 0.25, 1e12 })
        {
            var answer = data.WithWeights(tensor(weights.Select(weight => weight * unit).ToArray())).Machine(Exact).forward(data.Inputs);
            answer.sub(expected).abs().max().item<double>().Should().BeLessThan(1e-6);
        }
    }

    [Fact]
    public void A_weight_of_two_is_a_row_that_is_there_twice_at_the_same_cost_a_row()
    {
        using var scope = NewDisposeScope();
        double[] weights = [.. Enumerable.Range(0, 60).Select(row => row % 3 == 0 ? 2.0 : 1)];
        var heavy = MachineData.Clouds(7, 60, 2, 1, weights);
        var twice = heavy.WithWeights(null).Select(tensor(Enumerable.Range(0, 60).Concat(Enumerable.Range(0, 60).Where(row => row % 3 == 0)).Select(row => (long)row).ToArray()));
        var unit = weights.Sum() / weights.Sum(weight => weight * weight);
        var one = heavy.Machine(Exact with { Cost = 0.8 / unit }).DecisionValues(heavy.Inputs);
        var other = twice.Machine(Exact with { Cost = 0.8 }).DecisionValues(heavy.Inputs);
        one.sub(other).abs().max().item<double>().Should().BeLessThan(1e-6);
    }

    [Fact]
    public void A_larger_weight_pulls_the_boundary()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(8, 200, 2, 0.7);
        var middle = zeros(1, 2, dtype: ScalarType.Float64);
        double At(double weight)
        {
            var weights = data.Response.Values.eq(0).to(ScalarType.Float64).mul(weight - 1).add(1);
            return data.WithWeights(weights).Machine().DecisionValues(middle).item<double>();
        }
        At(1).Should().BeLessThan(At(3) - 0.1);
        At(1.0 / 3).Should().BeLessThan(At(1) - 0.1);
    }

    [Fact]
    public void Digits_are_read_with_calibrated_probabilities()
    {
        using var scope = NewDisposeScope();
        var (inputs, labels, fold) = Digits.Load();
        var train = new FitData(inputs, Response.Class(labels, 10)).Select(Digits.Rows(fold, 0, outside: true));
        var test = new FitData(inputs, Response.Class(labels, 10)).Select(Digits.Rows(fold, 0, outside: false));
        var machine = train.Machine();

        var (loss, accuracy) = MachineData.Score(machine.forward(test.Inputs), test.Response.Values);
        accuracy.Should().BeGreaterThanOrEqualTo(0.975);
        loss.Should().BeLessThan(0.08);
        machine.Power.Should().BeInRange(1.2, 3);
        var (honestLoss, honest) = MachineData.Score(machine.OutOfSample(), train.Response.Values);
        honest.Should().BeInRange(0.97, 0.995);
        honestLoss.Should().BeInRange(0.05, 0.1);
        machine.LogDensity(test.Inputs, test.Response).mean().item<double>().Should().BeApproximately(-loss, 1e-12);
    }

    [Fact]
    public void Out_of_sample_answers_do_not_know_labels_that_nothing_explains()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(9, 200, 2, 0);
        var machine = data.Machine(new() { Gamma = 100, Cost = 100 });
        MachineData.Score(cat([machine.DecisionValues(data.Inputs), zeros(200, 1, dtype: ScalarType.Float64)], 1), data.Response.Values).Accuracy.Should().BeGreaterThan(0.98);
        var (loss, accuracy) = MachineData.Score(machine.OutOfSample(), data.Response.Values);
        accuracy.Should().BeInRange(0.3, 0.65);
        loss.Should().BeInRange(0.66, 0.75);
    }

    [Fact]
    public void One_class_only_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var alone = () => MachineData.Of([1, 2, 3], 1, [2, 2, 2], 4).Machine();
        alone.Should().Throw<ArgumentException>().WithMessage("*of class 2*at least 2 classes*");
        var weighted = () => MachineData.Of([1, 2, 3], 1, [2, 1, 2], 4, [1, 0, 1]).Machine();
        weighted.Should().Throw<ArgumentException>().WithMessage("*All 2 rows that count are of class 2*");
        var real = () => new FitData(ones(3, 1), Response.Real(ones(3))).Machine();
        real.Should().Throw<ArgumentException>().WithMessage("*classes*Real*");
    }

    [Fact]
    public void Classes_without_rows_get_the_least_probability()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Of([0, 0.2, 0.1, 3, 3.2, 3.1], 1, [1, 1, 1, 4, 4, 4], 6);
        var answer = data.Machine().forward(data.Inputs);
        answer.sum(dim: 1).Numbers().Should().OnlyContain(sum => Math.Abs(sum - 1) < 1e-12);
        foreach (var column in new[] { 0, 2, 3, 5 })
            answer.select(1, column).Numbers().Should().OnlyContain(probability => probability == 1e-7);
        answer.argmax(1).data<long>().ToArray().Should().Equal(1, 1, 1, 4, 4, 4);
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    [InlineData(3, 3)]
    [InlineData(5, 4)]
    [InlineData(7, 3)]
    public void Few_rows_give_probabilities_that_lean_to_their_classes(int count, int classes)
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Of([.. Enumerable.Range(0, count).Select(row => (10.0 * (row % classes)) + (0.1 * row))], 1, [.. Enumerable.Range(0, count).Select(row => (double)(row % classes))], classes);
        var machine = data.Machine();
        var answer = machine.forward(data.Inputs);
        answer.isfinite().all().item<bool>().Should().BeTrue();
        machine.OutOfSample().isfinite().all().item<bool>().Should().BeTrue();
        answer.sum(dim: 1).Numbers().Should().OnlyContain(sum => Math.Abs(sum - 1) < 1e-12);
        if (count == classes && classes == 2)
            answer.Numbers().Should().BeEquivalentTo([2.0 / 3, 1.0 / 3, 1.0 / 3, 2.0 / 3], options => options.WithStrictOrdering().Using<double>(c => c.Subject.Should().BeApproximately(c.Expectation, 1e-6)).WhenTypeIs<double>());
    }

    [Fact]
    public void Duplicates_with_opposite_labels_get_the_shares_of_the_labels()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Of([.. Enumerable.Repeat(1.0, 40)], 1, [.. Enumerable.Range(0, 40).Select(row => row % 4 == 0 ? 1.0 : 0)], 2);
        var machine = data.Machine();
        machine.Converged.Should().BeTrue();
        machine.forward(data.Inputs)[0].Numbers()[0].Should().BeApproximately(0.75, 0.03);
    }

    [Fact]
    public void Constant_columns_are_left_out()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(10, 60, 2);
        var options = Exact with { Gamma = 0.5 };
        var more = new FitData(cat([data.Inputs, full(60, 1, 0.1, dtype: ScalarType.Float64)], 1), data.Response);
        var fresh = cat([data.Inputs, full(60, 1, 77.0, dtype: ScalarType.Float64)], 1);
        more.Machine(options).DecisionValues(fresh).sub(data.Machine(options).DecisionValues(data.Inputs)).abs().max().item<double>().Should().BeLessThan(1e-9);
    }

    [Theory]
    [InlineData(VectorMachineKernel.Linear)]
    [InlineData(VectorMachineKernel.Rbf)]
    [InlineData(VectorMachineKernel.Polynomial)]
    public void Rows_far_outside_get_probabilities(VectorMachineKernel kernel)
    {
        using var scope = NewDisposeScope();
        var machine = MachineData.Clouds(11, 60, 3).Machine(new() { Kernel = kernel });
        var answer = machine.forward(tensor(new[] { 1e308, -1e308, 1e160, 1e160, 0, -1e100 }, 3, 2)).Numbers();
        answer.Should().OnlyContain(probability => probability >= 1e-7 && probability <= 1);
    }

    [Fact]
    public void Rows_too_far_out_for_the_kernel_are_refused()
    {
        using var scope = NewDisposeScope();
        var act = () => MachineData.Of([0, 1, 2, 1e60], 1, [0, 1, 0, 1], 2).Machine(new() { Kernel = VectorMachineKernel.Polynomial, Standardise = false, Gamma = 1 });
        act.Should().Throw<ArgumentException>().WithMessage("Row 3 is too far out for the kernel Polynomial*");
    }

    [Fact]
    public void More_rows_than_the_matrix_is_held_for_give_the_same_machine_as_the_same_rows_in_few()
    {
        using var scope = NewDisposeScope();
        var few = MachineData.Clouds(12, 60, 2, 1);
        var many = few.Select(tensor(Enumerable.Range(0, 4200).Select(row => (long)(row % 60)).ToArray()));
        var options = new VectorMachineOptions { Tolerance = 1e-6, Folds = 2 };
        var one = few.Machine(options with { Cost = 70 * 0.01 }).DecisionValues(few.Inputs);
        var other = many.Machine(options with { Cost = 0.01 }).DecisionValues(few.Inputs);
        one.sub(other).abs().max().item<double>().Should().BeLessThan(1e-4);
    }

    [Fact]
    public void Fits_on_several_threads_at_once_are_the_same_to_the_bit()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(13, 150, 3, 1);
        var expected = data.Machine(seed: 5).forward(data.Inputs).Numbers();
        var answers = new double[8][];
        Parallel.For(0, answers.Length, which =>
        {
            using var own = NewDisposeScope();
            answers[which] = data.Machine(seed: 5).forward(data.Inputs).Numbers();
        });
        answers.Should().AllSatisfy(answer => answer.Should().Equal(expected));
        data.Machine(seed: 6).forward(data.Inputs).Numbers().Should().NotEqual(expected);
    }

    [Fact]
    public void It_can_be_cancelled()
    {
        using var scope = NewDisposeScope();
        var act = () => new VectorMachineLearner().Fit(MachineData.Clouds(1, 30, 2), new FitContext { CancellationToken = new CancellationToken(true) });
        act.Should().Throw<OperationCanceledException>();
    }

    [Fact]
    public void The_most_steps_end_a_fit_that_would_go_on()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(14, 100, 2, 0.3);
        var machine = data.Machine(new() { Cost = 1e8, MaxIterations = 50 });
        machine.Converged.Should().BeFalse();
        machine.Iterations.Should().BeLessThanOrEqualTo(6 * 50);
        machine.forward(data.Inputs).isfinite().all().item<bool>().Should().BeTrue();
    }

    [Fact]
    public void A_fit_leaves_only_the_tensors_of_its_expert()
    {
        using var scope = NewDisposeScope();
        var data = MachineData.Clouds(15, 60, 3, 2, [.. Enumerable.Range(0, 60).Select(row => row % 5 == 0 ? 0.0 : 1)]);
        LiveTensors.After(() => data.Machine()).Should().BeLessThanOrEqualTo(2);
    }
}
